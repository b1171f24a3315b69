"""Write a backbone as ``weights.safetensors`` under the tensor names of timm or torchvision."""

import json
from collections.abc import Mapping
from typing import Any

from safetensors.torch import save
from timm.models.resnet import ResNet
from torch import nn

from copysight.errors import InvalidArgument
from training.networks.descriptors import Descriptor
from training.networks.export_graphs import PooledGraph, TokenDescriptor, TransformerGraph
from training.networks.many_views import ManyViews
from training.networks.rope_graph import RopeGraph

FILE = "weights.safetensors"
FRAMEWORKS = ("timm", "torchvision")
TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""Networks whose tensors have the same names and shapes in timm and in torchvision."""


def weights(
    backbone: str, body: nn.Module, framework: str, preprocess: Mapping[str, Any], size: int | None = None
) -> bytes:
    """Content of the file: all tensors of ``body``, which has no classifier, and its preprocessing as metadata.

    These are the tensors of ``timm.create_model(backbone, num_classes=0)``, norms after the pooling included. ``size``:
    pixels for which the network was built, by default those of the preprocessing. Raises ``InvalidArgument`` if
    ``framework`` has no network of these names.
    """
    if framework == "torchvision" and not (backbone in TORCHVISION and isinstance(body, ResNet)):
        raise InvalidArgument(
            f"got --weights torchvision for {backbone}; torchvision has the same tensor names only for "
            f"{', '.join(TORCHVISION)}; use --weights timm"
        )
    size = size or int(preprocess["size"])
    metadata = {"backbone": backbone, "names": framework, "preprocess": json.dumps(preprocess), "size": str(size)}
    return save({name: value.detach().contiguous().clone() for name, value in body.state_dict().items()}, metadata)


def backbone_of(graph: nn.Module) -> nn.Module:
    """The timm network inside an exported graph, unwrapped from descriptors, views and poolings."""
    module = graph
    while isinstance(module, WRAPPERS):
        module = next(getattr(module, name) for name in WRAPPED_IN if hasattr(module, name))
    return module


WRAPPERS = (TransformerGraph, RopeGraph, PooledGraph, TokenDescriptor, ManyViews, Descriptor)
WRAPPED_IN = ("descriptor", "backbone", "body")
"""Attributes under which our modules hold the network that they wrap. timm's own modules may have them too."""
