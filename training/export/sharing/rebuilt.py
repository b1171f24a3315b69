"""Rebuild the convolutional network of a bundle's embedding from its ONNX graph, whose tensors keep torch's names."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import NodeProto, numpy_helper
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.model.bundle import Bundle
from training.export.network import Network
from training.networks import descriptors
from training.networks.export_graphs import PooledGraph
from training.networks.many_views import ManyViews, View, standard_views
from training.networks.timm_networks import create, first_line

Views = Callable[[int], tuple[View, ...]]
"""The views of a network trained at a size in pixels."""
HALF = "_half"
"""Suffix of weights that are stored in half precision (`half_precision`)."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "Conv": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
}
"""Operator -> names of its inputs after the first. The exporter stores equal tensors once, so that a name may be
missing, but the inputs of a node tell which tensor stands for it."""


def rebuilt(bundle: Bundle, views: Views = standard_views) -> Network:
    """The network of the embedding, as it was exported: a copy network, or a timm network with its own pooling.

    ``views``: those of a copy network with several, which the graph does not name.

    Raises ``InvalidArgument`` for networks whose tensors are not stored as they are: transformers, files of others, and
    networks that run once, whose BatchNorms are folded into convolutions. Whether it is the same network is for the
    caller to check, by comparing outputs.
    """
    key = bundle.embedding.graph
    path = bundle.path / bundle.graphs[key].variants["fp32"].file
    tensors = read_tensors(path)
    try:
        graph = _graph(bundle, tensors, views, _power(path))
        counts = {name: value for name, value in graph.state_dict().items() if name.endswith("num_batches_tracked")}
        graph.load_state_dict(counts | {name: tensors[name] for name in graph.state_dict() if name in tensors})
    except (RuntimeError, InvalidArgument) as error:
        raise InvalidArgument(
            f"the network of {bundle.name!r} cannot be rebuilt from its graph, which does not store its weights as "
            f"they are ({first_line(error)}); export its run again"
        ) from error
    return Network(
        graph=graph.eval().requires_grad_(False),
        preprocess=bundle.graphs[key].preprocess,
        name=bundle.name,
        method=bundle.method,
        backbone=bundle.backbone,
        recipe=bundle.embedding.recipe,
        temperature=None,
        training=bundle.training,
        licence=bundle.licence,
    )


def is_half(path: Path) -> bool:
    """Whether an ONNX file stores weights in half precision."""
    return any(tensor.name.endswith(HALF) for tensor in onnx.load(path).graph.initializer)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights of an ONNX file under torch's names, as float32."""
    graph = onnx.load(path).graph
    known = {
        tensor.name.removesuffix(HALF): torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
        for tensor in graph.initializer
    }
    for node in graph.node:
        known |= {name: known[given] for name, given in _names(node) if given in known and name not in known}
    return known


def _names(node: NodeProto) -> Iterator[tuple[str, str]]:
    """Pairs of torch's name and the name in the file, of the weights of one node."""
    parts, given = PARTS.get(node.op_type, ()), list(node.input[1:])
    if parts and given:
        prefix = given[0].removesuffix(HALF).rpartition(".")[0]
        yield from ((f"{prefix}.{part}", name) for part, name in zip(parts, given, strict=False))


def _power(path: Path) -> float:
    """The exponent of the generalised mean: that of the graph's first Pow. Without one it is 1."""
    graph = onnx.load(path).graph
    scalars = {one.name: numpy_helper.to_array(one).item() for one in graph.initializer if not one.dims}
    exponents = [scalars[node.input[1]] for node in graph.node if node.op_type == "Pow" and node.input[1] in scalars]
    return exponents[0] if exponents else 1.0


def _graph(bundle: Bundle, tensors: Mapping[str, Tensor], views: Views, power: float) -> PooledGraph:
    backbone, preprocess = bundle.backbone.split(" + ")[0], bundle.graphs[bundle.embedding.graph].preprocess
    whitening = _linear(tensors["whitening.weight"]) if "whitening.weight" in tensors else None
    has_views = any(name.startswith("descriptor.descriptor.") for name in tensors)
    prefix = "descriptor.descriptor." if has_views else "descriptor."
    if f"{prefix}project.weight" not in tensors:
        return PooledGraph(create(backbone), None, whitening)
    size = preprocess.height // 2 if has_views else preprocess.size
    body: nn.Module = descriptors.build(backbone, size, len(tensors[f"{prefix}project.weight"]), power)
    return PooledGraph(ManyViews(body, views(preprocess.height // 2)) if has_views else body, None, whitening)


def _linear(weight: Tensor) -> nn.Linear:
    return nn.Linear(weight.shape[1], weight.shape[0])
