"""Backbones for other frameworks: weights as ``weights.safetensors``, under the names of timm or torchvision."""

import json
from collections.abc import Mapping
from typing import Any

from safetensors.torch import save
from timm.models.resnet import ResNet
from torch import Tensor, nn

from copysight.errors import InvalidArgument

FILE = "weights.safetensors"
FRAMEWORKS = ("timm", "torchvision")
TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""timm's networks whose tensors torchvision's network of the same name has under the same names and shapes."""


def weights(backbone: str, body: nn.Module, framework: str, preprocess: Mapping[str, Any]) -> bytes:
    """The file's content: all tensors of ``body`` without classifier, float32; its metadata say how it was fed.

    Raises ``InvalidArgument`` if ``framework`` has no such network.
    """
    if framework == "torchvision" and not (backbone in TORCHVISION and isinstance(body, ResNet)):
        raise InvalidArgument(
            f"got --weights torchvision for {backbone}; torchvision shares {', '.join(TORCHVISION)} with timm; "
            "say --weights timm"
        )
    metadata = {"backbone": backbone, "names": framework, "preprocess": json.dumps(preprocess)}
    return save({name: value.detach().contiguous() for name, value in plain(body).items()}, metadata)


def plain(body: nn.Module) -> dict[str, Tensor]:
    """State of ``body`` under timm's names, classifier excluded."""
    return {name: value for name, value in body.state_dict().items() if not name.startswith(("fc.", "head."))}


def backbone_of(graph: nn.Module) -> nn.Module:
    """The timm network inside an exported graph: below descriptors, views and poolings."""
    module = graph
    while (inner := next((getattr(module, name) for name in INSIDE if hasattr(module, name)), None)) is not None:
        module = inner
    return module


INSIDE = ("descriptor", "backbone", "body")
