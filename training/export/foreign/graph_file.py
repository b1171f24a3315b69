"""Read somebody else's ONNX file: its input, its outputs, and what its first nodes do to pixels."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, external_data_helper, numpy_helper

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Size

Layout = Literal["NCHW", "NHWC"]
TYPES: Mapping[int, str] = {TensorProto.UINT8: "uint8", TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
"""Element types that an input may have."""
MAX_BYTES = 2**31 - 1
"""A protocol buffer of more bytes cannot be written."""
PASSING = {"Cast", "Transpose", "Identity"}
"""Nodes that keep the values of the pixels."""
QUANTISED = {
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantizeLinear",
}


@dataclass(frozen=True)
class GraphFile:
    """An ONNX file that takes one batch of pictures.

    ``layout`` and ``size`` are None if the file leaves them open; ``batch`` is None if it takes any number of pictures.
    ``pixels``: ``unit`` or ``bytes`` if the graph normalises values of 0..1 or 0..255 itself, else None.
    """

    path: Path
    model: ModelProto
    input: str
    dtype: str
    layout: Layout | None
    size: Size | None
    batch: int | None
    pixels: str | None
    quantised: bool


def read(path: Path) -> GraphFile:
    """Read an ONNX file with its external data. Raises ``InvalidArgument`` with what is wrong with it."""
    model = _load(path)
    given = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in given]
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs) or "none"
        raise InvalidArgument(
            f"{path} has {len(inputs)} inputs ({names}), and a bundle gives a network one batch of pictures; of a "
            "model for pictures and texts take the file of its part for pictures"
        )
    (one,) = inputs
    kind = one.type.tensor_type.elem_type
    if kind not in TYPES:
        raise InvalidArgument(
            f"the input {one.name} of {path} is {TensorProto.DataType.Name(kind).lower()}; pictures are "
            f"{', '.join(TYPES.values())}"
        )
    sides = [side.dim_value or side.dim_param for side in one.type.tensor_type.shape.dim]
    if len(sides) != 4:
        raise InvalidArgument(
            f"the input {one.name} of {path} has {len(sides)} axes ({_shape(sides)}); a batch of pictures has 4"
        )
    layout = _layout(sides)
    return GraphFile(
        path=path,
        model=model,
        input=one.name,
        dtype=TYPES[kind],
        layout=layout,
        size=None if layout is None else size_of(sides, layout),
        batch=sides[0] if isinstance(sides[0], int) and sides[0] else None,
        pixels="bytes" if kind == TensorProto.UINT8 else _pixels(model, one.name),
        quantised=any(node.op_type in QUANTISED for node in model.graph.node),
    )


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of TorchScript: it holds code beside its tensors."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def shape_of(value: ValueInfoProto) -> list[int | str]:
    """The axes of a value: numbers, or names where the file leaves them open."""
    return [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]


def size_of(sides: Sequence[int | str], layout: Layout) -> Size | None:
    """The fixed size of the pictures, or None."""
    height, width = sides[2:] if layout == "NCHW" else sides[1:3]
    if not (isinstance(height, int) and height and isinstance(width, int) and width):
        return None
    return height if height == width else (height, width)


def _load(path: Path) -> ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError, UnicodeDecodeError) as error:
        raise _no_onnx(path) from error
    if not model.graph.node or not model.graph.output:
        raise _no_onnx(path)
    folder = path.parent
    outside = {
        entry.value
        for one in _tensors(model)
        if one.data_location == TensorProto.EXTERNAL
        for entry in one.external_data
        if entry.key == "location"
    }
    if missing := sorted(name for name in outside if not (folder / name).is_file()):
        raise InvalidArgument(
            f"{path} keeps its weights in {', '.join(missing)}, which is not beside it; put it into the same folder, "
            "under the same name"
        )
    if sum((folder / name).stat().st_size for name in outside) > MAX_BYTES:
        raise InvalidArgument(f"the weights of {path} have more than 2 GiB, which one ONNX file cannot hold")
    try:
        external_data_helper.load_external_data_for_model(model, str(folder))
    except (onnx.checker.ValidationError, ValueError, OSError) as error:
        raise InvalidArgument(f"cannot read the weights of {path} ({str(error).splitlines()[0]})") from error
    return model


def _no_onnx(path: Path) -> InvalidArgument:
    with path.open("rb") as file:
        pointer = file.read(20).startswith(b"version https://git")
    why = "it is a pointer of Git LFS: download the file itself" if pointer else "download it again, or choose another"
    return InvalidArgument(f"{path} is not an ONNX file; {why}")


def _tensors(model: ModelProto) -> list[TensorProto]:
    constants = [one.t for node in model.graph.node for one in node.attribute if one.HasField("t")]
    return [*model.graph.initializer, *constants]


def _layout(sides: Sequence[int | str]) -> Layout | None:
    """Where the axis of 3 channels is, or the one with the word channel in its name; None if that is not clear."""
    channels = [place for place in (1, 3) if sides[place] == 3]
    named = [place for place in (1, 3) if "chan" in str(sides[place]).lower()]
    found = channels or named
    if len(found) != 1:
        return None
    return "NCHW" if found == [1] else "NHWC"


def _pixels(model: ModelProto, name: str) -> str | None:
    """What values the graph expects if its first nodes normalise them with constants, else None."""
    constants = _constants(model)
    while True:
        users = [node for node in model.graph.node if name in node.input]
        if len(users) != 1:
            return None
        if users[0].op_type not in PASSING:
            return _scale(users[0], name, constants)
        (name,) = users[0].output


def _scale(node: NodeProto, name: str, constants: Mapping[str, Any]) -> str | None:
    if node.op_type == "BatchNormalization" and node.input[3] in constants:
        mean = np.abs(constants[node.input[3]]).max()
        return ("bytes" if mean > 2 else "unit") if constants[node.input[3]].size == 3 else None
    other = [one for one in node.input if one != name]
    if node.op_type not in {"Sub", "Add", "Mul", "Div"} or len(other) != 1 or other[0] not in constants:
        return None
    value = np.abs(constants[other[0]]).max()
    if constants[other[0]].size not in {1, 3}:
        return None
    large = 1 / max(value, 1e-12) > 20 if node.op_type == "Mul" else value > 20
    # A mean of pixels of 0..255 is near 120, a divisor 255 or near 58; those for 0..1 are at most 2.
    return "bytes" if large else "unit"


def _constants(model: ModelProto) -> dict[str, Any]:
    found = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            found.update((node.output[0], one.t) for one in node.attribute if one.name == "value")
    return {
        name: numpy_helper.to_array(one).astype(np.float64) for name, one in found.items() if np.prod(one.dims) <= 3
    }


def _shape(sides: Sequence[int | str]) -> str:
    return " x ".join(str(side or "?") for side in sides)
