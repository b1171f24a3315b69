"""Read the weights of a network from the graph of a bundle, to train on from it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx
import torch
from onnx import NodeProto, numpy_helper
from torch import Tensor

HALF = "_half"
"""End of the names of weights that are stored in half precision."""
NORMS: Mapping[str, tuple[str, ...]] = {
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "LayerNormalization": ("weight", "bias"),
}
"""Operators whose inputs, after the first, are these tensors of one module."""


def read(path: Path) -> dict[str, Tensor]:
    """All named weights of an ONNX file as float32, under the names of the exported graph.

    The exporter stores equal tensors once, under one of their names; the others are found by the inputs of their norm.
    What the exporter renamed or folded is missing.
    """
    graph = onnx.load(path).graph
    stored = {
        one.name.removesuffix(HALF): torch.from_numpy(numpy_helper.to_array(one).copy()).float()
        for one in graph.initializer
        if "." in one.name
    }
    shared = {name: stored[place] for node in graph.node for name, place in _inputs(node) if place in stored}
    return {**shared, **stored}


def _inputs(node: NodeProto) -> Iterator[tuple[str, str]]:
    """The tensors of a norm: the name that each has in the network, and the name under which it is stored."""
    parts, places = NORMS.get(node.op_type, ()), [place.removesuffix(HALF) for place in node.input[1:]]
    # Statistics and weights are seldom equal to those of another norm, so the most frequent module is the norm's own.
    paired = list(zip(parts, places, strict=False))
    owners = [place.removesuffix(f".{part}") for part, place in paired if place.endswith(f".{part}")]
    if owners:
        owner = max(reversed(owners), key=owners.count)
        yield from ((f"{owner}.{part}", place) for part, place in paired)
