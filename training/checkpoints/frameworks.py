"""Write a backbone as ``weights.safetensors`` under the tensor names of timm or torchvision."""

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
"""Networks whose tensors have the same names and shapes in timm and in torchvision."""


def weights(backbone: str, body: nn.Module, framework: str, preprocess: Mapping[str, Any]) -> bytes:
    """Content of the file: all float32 tensors of ``body`` except the classifier, and its preprocessing as metadata.

    Raises ``InvalidArgument`` if ``framework`` has no network of these names.
    """
    if framework == "torchvision" and not (backbone in TORCHVISION and isinstance(body, ResNet)):
        raise InvalidArgument(
            f"got --weights torchvision for {backbone}; torchvision has the same tensor names only for "
            f"{', '.join(TORCHVISION)}; use --weights timm"
        )
    metadata = {"backbone": backbone, "names": framework, "preprocess": json.dumps(preprocess)}
    return save({name: value.detach().contiguous() for name, value in without_classifier(body).items()}, metadata)


def without_classifier(body: nn.Module) -> dict[str, Tensor]:
    """State dict of ``body`` without its classifier, under timm's names."""
    return {name: value for name, value in body.state_dict().items() if not name.startswith(("fc.", "head."))}


def backbone_of(graph: nn.Module) -> nn.Module:
    """The timm network inside an exported graph, unwrapped from descriptors, views and poolings."""
    module = graph
    while (inner := next((getattr(module, name) for name in WRAPPED_IN if hasattr(module, name)), None)) is not None:
        module = inner
    return module


WRAPPED_IN = ("descriptor", "backbone", "body")
"""Attributes under which our modules hold the network that they wrap."""
