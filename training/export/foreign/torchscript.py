"""Convert a TorchScript file to ONNX at a fixed size, checked against torch."""

import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import onnxruntime as ort
import torch

from copysight.errors import ExportFailed, InvalidArgument
from copysight.pictures.preprocess import Size, in_words, sides
from training.export.numerics import MIN_COSINE, smallest_cosine

OPSET = 17
"""Newest version of the operators that torch's exporter of TorchScript writes for every node that it knows."""


def convert(path: Path, out: Path, size: Size | None) -> Path:
    """Write the ONNX form of ``path`` for pictures (B, 3, height, width) to ``out``, and return ``out``.

    The program in a TorchScript file runs while it is converted: take files from people you trust. Raises
    ``InvalidArgument`` if it does not take such pictures, and ``ExportFailed`` if torch cannot convert it.
    """
    if size is None:
        raise InvalidArgument(f"{path} is TorchScript, which takes pictures of any size; give --size")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise InvalidArgument(f"torch cannot load {path} ({str(error).splitlines()[0]})") from error
    pictures = torch.rand(1, 3, *sides(size), generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            expected = module(pictures)
    except RuntimeError as error:
        raise InvalidArgument(
            f"{path} does not take pictures of {in_words(size)} px ({str(error).strip().splitlines()[-1]})"
        ) from error
    if not isinstance(expected, torch.Tensor) or expected.ndim != 2:
        raise InvalidArgument(f"{path} gives no array (pictures, dimensions); choose another file")
    _write(path, module, pictures, out)
    session = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pictures": pictures.numpy()})
    cosine = smallest_cosine(found, expected.numpy())
    if not cosine >= MIN_COSINE:
        raise ExportFailed(f"the ONNX form of {path} has a cosine of {cosine:.6f} to torch (needed: {MIN_COSINE})")
    return out


def _write(path: Path, module: torch.jit.ScriptModule, pictures: torch.Tensor, out: Path) -> None:
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            # The exporter of TorchScript is the older one; torch.export does not take such files.
            warnings.simplefilter("ignore")
            # All sides are fixed: with a free batch the exporter does not know the size of the last map, over which
            # SSCD takes its mean. A batch of one is freed afterwards where the graph allows it.
            torch.onnx.export(
                module,
                (pictures,),
                str(out),
                dynamo=False,
                opset_version=OPSET,
                input_names=["pictures"],
                output_names=["embedding"],
            )
    except Exception as error:
        # torch's exporter raises errors of its own and of everything that it calls.
        raise ExportFailed(f"torch cannot convert {path} to ONNX ({str(error).strip().splitlines()[0]})") from error
