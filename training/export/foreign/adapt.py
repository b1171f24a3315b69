"""Wrap a foreign graph for a bundle: float pictures (B, 3, height, width) in, a normalised embedding (B, D) out."""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper, version_converter

from copysight.errors import ExportFailed
from copysight.pictures.preprocess import Size, sides
from training.export.foreign.graph_file import GraphFile, Layout
from training.export.whitening import Whitening

PREFIX = "file/"
"""Of every name of the file, so that names of the wrapping cannot collide with them."""
OPSET = 13
"""Oldest version of the operators that is kept: int8 with a range for each channel needs it."""
TINY = 1e-12
"""Least length of a vector that is divided by it, as in torch."""


def wrap(
    file: GraphFile,
    layout: Layout,
    size: Size,
    output: str,
    pooling: str | None,
    rank: int,
    whitening: Whitening | None = None,
    batch: int | None = None,
) -> ModelProto:
    """The graph of a bundle around the graph of a file.

    ``output`` has ``rank`` axes: (B, D), (B, T, D) with ``pooling`` ``cls`` or ``pool``, or (B, D, 1, 1). ``batch``:
    the only number of pictures that the graph takes, None for any. Raises ``ExportFailed`` for operators that are too
    old to convert.
    """
    model = compose.add_prefix(_recent(file), PREFIX)
    graph, version = model.graph, _version(model)
    source, name = PREFIX + file.input, PREFIX + output
    before = _before(source, file.dtype, layout)
    after, constants = _after(name, pooling, rank, version, whitening)
    kept = _needed(graph, name)
    weights = {one for node in kept for one in _names(node)}
    nodes = [*before, *kept, *after]
    for number, node in enumerate(nodes):
        # The quantiser leaves out nodes by their names, so none may be empty.
        node.name = node.name or f"node{number}"
    del graph.node[:]
    graph.node.extend(nodes)
    initializers = [one for one in graph.initializer if one.name in weights]
    del graph.initializer[:]
    graph.initializer.extend([*initializers, *constants])
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [batch or "B", 3, *sides(size)]))
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch or "B", "D"]))
    return model


def _recent(file: GraphFile) -> ModelProto:
    if _version(file.model) >= OPSET:
        return file.model
    try:
        return version_converter.convert_version(file.model, OPSET)
    except RuntimeError as error:
        raise ExportFailed(
            f"{file.path} has operators of version {_version(file.model)}, which ONNX cannot convert to {OPSET}; "
            "convert the network again with a recent opset"
        ) from error


def _version(model: ModelProto) -> int:
    return next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 1)


def _before(source: str, dtype: str, layout: Layout) -> list[NodeProto]:
    """From float pictures to the input of the file."""
    steps: list[tuple[str, dict[str, object]]] = []
    if layout == "NHWC":
        steps.append(("Transpose", {"perm": [0, 2, 3, 1]}))
    if dtype == "uint8":
        steps += [("Round", {}), ("Cast", {"to": TensorProto.UINT8})]
    elif dtype == "float16":
        steps.append(("Cast", {"to": TensorProto.FLOAT16}))
    names = ["pictures", *(f"before{number}" for number in range(len(steps) - 1)), source]
    if not steps:
        return [helper.make_node("Identity", ["pictures"], [source])]
    return [
        helper.make_node(kind, [start], [end], **attributes)
        for (kind, attributes), start, end in zip(steps, names[:-1], names[1:], strict=True)
    ]


def _after(
    name: str, pooling: str | None, rank: int, version: int, whitening: Whitening | None
) -> tuple[list[NodeProto], list[TensorProto]]:
    """From the output of the file to the embedding, and the constants on the way."""
    constants = [numpy_helper.from_array(np.float32(TINY), "tiny")]
    nodes = [helper.make_node("Cast", [name], ["raw"], to=TensorProto.FLOAT)]
    if pooling == "cls":
        constants.append(numpy_helper.from_array(np.int64(0), "first"))
        nodes.append(helper.make_node("Gather", ["raw", "first"], ["vector"], axis=1))
    elif pooling == "pool":
        nodes.append(_reduced("ReduceMean", "raw", "vector", version, constants, keepdims=0))
    elif rank == 4:
        nodes.append(helper.make_node("Flatten", ["raw"], ["vector"], axis=1))
    else:
        nodes.append(helper.make_node("Identity", ["raw"], ["vector"]))
    if whitening is None:
        return [*nodes, *_unit("vector", "embedding", version, constants)], constants
    constants.append(numpy_helper.from_array(whitening.matrix, "whitening"))
    constants.append(numpy_helper.from_array(whitening.bias, "whitening_bias"))
    # Gemm, because the quantiser takes each MatMul to int8.
    white = helper.make_node("Gemm", ["unit", "whitening", "whitening_bias"], ["white"])
    first, last = _unit("vector", "unit", version, constants), _unit("white", "embedding", version, constants)
    return [*nodes, *first, white, *last], constants


def _unit(source: str, target: str, version: int, constants: list[TensorProto]) -> list[NodeProto]:
    """L2-normalise rows, as torch does: divide by the length, or by 1e-12 if that is larger."""
    length, divisor = f"{source}_length", f"{source}_divisor"
    return [
        _reduced("ReduceL2", source, length, version, constants, keepdims=1),
        helper.make_node("Max", [length, "tiny"], [divisor]),
        helper.make_node("Div", [source, divisor], [target]),
    ]


def _reduced(
    kind: str, source: str, target: str, version: int, constants: list[TensorProto], keepdims: int
) -> NodeProto:
    """Reduce axis 1, which is an attribute before version 18 of the operators, and an input from then on."""
    if version < 18:
        return helper.make_node(kind, [source], [target], axes=[1], keepdims=keepdims)
    constants.append(numpy_helper.from_array(np.array([1], np.int64), f"{target}_axis"))
    return helper.make_node(kind, [source, f"{target}_axis"], [target], keepdims=keepdims)


def _needed(graph: GraphProto, output: str) -> list[NodeProto]:
    """The nodes that ``output`` depends on, in their order."""
    wanted, kept = {output}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(_names(node))
    return kept[::-1]


def _names(node: NodeProto) -> Iterator[str]:
    """All values that a node reads, those of graphs inside it (branches, loops) included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in _graphs(attribute):
            yield from (one.name for one in graph.output)
            for inner in graph.node:
                yield from _names(inner)


def _graphs(attribute: onnx.AttributeProto) -> Sequence[GraphProto]:
    return [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
