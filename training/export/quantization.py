"""Quantise an ONNX graph to int8: static ranges for convolutional networks, dynamic ranges for transformers.

Dynamic ranges depend on the whole batch, so that a picture's embedding would depend on the other pictures. On a CPU the
embedder therefore runs one picture at a time; on a GPU the service uses float32.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
"""Operators that run in int8. The powers of GeM, whitening and norms stay in float32; they cost hardly any time."""


def quantize(source: Path, target: Path, inputs: Iterable[Float]) -> None:
    """Write the int8 form of the ONNX graph ``source`` to ``target``. ``inputs``: prepared pictures (3, S, S) float32.

    Weights are signed, with one range per channel. On ViT-S/16 dynamic ranges took 0.43 of the time of float32 at a
    cosine of 0.9994; static ranges were slower and no closer. Convolutions are 6 times slower with dynamic ranges, so
    they get static ones.
    """
    with tempfile.TemporaryDirectory() as scratch, _quiet_root_logger():
        folded = Path(scratch) / "folded.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        write = _quantize_dynamic if _is_transformer(folded) else _quantize_static
        write(folded, target, inputs)
    _store_once(target)


def _store_once(path: Path) -> None:
    """Let nodes share equal tensors of an ONNX file. The quantiser copies the weights for each use, as in each view."""
    model = onnx.load(path)
    first: dict[tuple[Any, ...], str] = {}
    instead = {}
    for tensor in list(model.graph.initializer):
        kept = first.setdefault((tensor.data_type, *tensor.dims, tensor.raw_data), tensor.name)
        if kept != tensor.name and tensor.raw_data:
            instead[tensor.name] = kept
            model.graph.initializer.remove(tensor)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = instead.get(name, name)
    onnx.save(model, path)


def _is_transformer(graph: Path) -> bool:
    kinds = Counter(node.op_type for node in onnx.load(graph).graph.node)
    return kinds["Softmax"] > 0 and kinds["MatMul"] > kinds["Conv"]


def _quantize_dynamic(source: Path, target: Path, _inputs: Iterable[Float]) -> None:
    quantize_dynamic(
        str(source), str(target), op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
    )


def _quantize_static(source: Path, target: Path, inputs: Iterable[Float]) -> None:
    """Quantise with unsigned activations and one range per tensor, as QDQ pairs.

    On a ResNet unsigned activations were twice as fast as signed ones at equal cosines (AMD Zen 5, ONNX Runtime 1.32).
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
        nodes_to_exclude=_input_convolutions(source),
    )


def _input_convolutions(graph: Path) -> list[str]:
    """Names of the convolutions on the picture itself. In float32 they cost 3 % and avoid half of the int8 error."""
    model = onnx.load(graph)
    channels = {weights.name: weights.dims[1] for weights in model.graph.initializer if len(weights.dims) == 4}
    return [node.name for node in model.graph.node if node.op_type == "Conv" and channels.get(node.input[1]) == 3]


@contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """Silence the root logger, on which the quantiser logs advice."""
    noisy, level = logging.getLogger(), logging.getLogger().level
    noisy.setLevel(logging.ERROR)
    try:
        yield
    finally:
        noisy.setLevel(level)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives the quantiser one picture (1, 3, S, S) at a time."""

    def __init__(self, inputs: Iterable[Float]) -> None:
        self._inputs: Iterator[Float] = iter(inputs)

    def get_next(self) -> dict[str, Float] | None:
        picture = next(self._inputs, None)
        return None if picture is None else {"pictures": picture[None]}
