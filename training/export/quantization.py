"""A graph in 8 bits: a convolutional one by ranges measured on real pictures, a transformer by its own picture's.

Ranges that follow the batch would make a picture's answer depend on its neighbours; on a CPU the embedder runs one
picture at a time, and on a GPU the service takes float32.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

Float = npt.NDArray[np.float32]
OPERATIONS = ["Conv", "Add", "Relu", "MaxPool", "AveragePool", "MatMul"]
"""What runs in 8 bits. The descriptor's powers, its whitening and the norms stay in float32: they cost nothing."""


def quantize(source: Path, target: Path, inputs: Iterable[Float]) -> None:
    """Write the int8 form of the ONNX graph ``source``; ``inputs`` are prepared pictures (3, S, S).

    Signed weights with one range a channel. On ViT-S/16 a range for each picture took .43 of the time of float32 at a
    cosine of .9994; static ranges were slower and no closer. Convolutions lose by it, 6 times over: theirs are static.
    """
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        folded = Path(scratch) / "folded.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        write = _by_picture if _is_transformer(folded) else _static
        write(folded, target, inputs)


def _is_transformer(graph: Path) -> bool:
    kinds = Counter(node.op_type for node in onnx.load(graph).graph.node)
    return kinds["Softmax"] > 0 and kinds["MatMul"] > kinds["Conv"]


def _by_picture(source: Path, target: Path, _inputs: Iterable[Float]) -> None:
    quantize_dynamic(
        str(source), str(target), op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
    )


def _static(source: Path, target: Path, inputs: Iterable[Float]) -> None:
    """Unsigned activations with one range a tensor, as QDQ pairs.

    On a ResNet unsigned activations ran twice as fast as signed ones (AMD Zen 5, ONNX Runtime 1.32), at equal cosines.
    """
    quantize_static(
        str(source),
        str(target),
        _Reader(inputs),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=OPERATIONS,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=_first(source),
    )


def _first(graph: Path) -> list[str]:
    """The convolutions that see the picture itself: float32 there costs 3 % and saves half of what 8 bits lose."""
    model = onnx.load(graph)
    channels = {weights.name: weights.dims[1] for weights in model.graph.initializer if len(weights.dims) == 4}
    return [node.name for node in model.graph.node if node.op_type == "Conv" and channels.get(node.input[1]) == 3]


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser logs advice on the root logger."""
    noisy, level = logging.getLogger(), logging.getLogger().level
    noisy.setLevel(logging.ERROR)
    try:
        yield
    finally:
        noisy.setLevel(level)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """One picture at a time, as the graph will see them."""

    def __init__(self, inputs: Iterable[Float]) -> None:
        self._inputs: Iterator[Float] = iter(inputs)

    def get_next(self) -> dict[str, Float] | None:
        picture = next(self._inputs, None)
        return None if picture is None else {"pictures": picture[None]}
