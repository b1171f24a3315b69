"""A graph in 8 bits: static ranges, measured on real pictures, so that a picture's answer ignores its neighbours."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

Float = npt.NDArray[np.float32]
OPERATIONS = ["Conv", "Add", "Relu", "MaxPool", "AveragePool", "MatMul"]
"""What runs in 8 bits. The descriptor's powers, its whitening and the norms stay in float32: they cost nothing."""


def quantize(source: Path, target: Path, inputs: Iterable[Float]) -> None:
    """Write the int8 form of the ONNX graph ``source``; ``inputs`` are prepared pictures (3, S, S).

    Unsigned activations with one range a tensor, signed weights with one a channel, as QDQ pairs. On a ResNet unsigned
    activations ran twice as fast as signed ones (AMD Zen 5, ONNX Runtime 1.32), with equal cosines.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folded = Path(scratch) / "folded.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        noisy, level = logging.getLogger(), logging.getLogger().level
        noisy.setLevel(logging.ERROR)  # the quantiser logs advice on the root logger
        try:
            quantize_static(
                str(folded),
                str(target),
                _Reader(inputs),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=OPERATIONS,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            noisy.setLevel(level)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """One picture at a time, as the graph will see them."""

    def __init__(self, inputs: Iterable[Float]) -> None:
        self._inputs: Iterator[Float] = iter(inputs)

    def get_next(self) -> dict[str, Float] | None:
        picture = next(self._inputs, None)
        return None if picture is None else {"pictures": picture[None]}
