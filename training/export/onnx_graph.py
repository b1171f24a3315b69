"""Write a network as an ONNX file with torch's exporter."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from copysight.errors import ExportFailed
from copysight.pictures.preprocess import in_words, to_batch
from training.export.network import Network
from training.export.numerics import synthetic_picture
from training.networks.timm_networks import first_line


def write(network: Network, path: Path, any_size: bool = False, optimize: bool = True) -> Path:
    """Write the graph of ``network`` to ``path`` and return the path. Raises ``ExportFailed`` if torch cannot.

    ``any_size``: height and width of the pictures are free, too. ``optimize``: fold BatchNorm into convolutions, among
    others; ONNX Runtime does so in any case. The exporter does not know fused attention over more than four axes
    (windows); it is then tried without.
    """
    try:
        program = _program(network, any_size, optimize)
    except Exception as error:
        # torch's exporter raises errors of its own and of everything that it calls.
        fused: list[Any] = [one for one in network.graph.modules() if getattr(one, "fused_attn", False)]
        if not fused:
            raise _not_exported(network, error) from error
        program = _without_fusion(network, fused, any_size, optimize)
    program.save(str(path))
    return path


def _without_fusion(network: Network, fused: Sequence[Any], any_size: bool, optimize: bool) -> torch.onnx.ONNXProgram:
    for module in fused:
        module.fused_attn = False
    try:
        return _program(network, any_size, optimize)
    except Exception as error:
        raise _not_exported(network, error) from error
    finally:
        for module in fused:
            module.fused_attn = True


def _program(network: Network, any_size: bool, optimize: bool) -> torch.onnx.ONNXProgram:
    height, width = network.preprocess.height, network.preprocess.width
    # Two different pictures, so that the exporter does not treat the batch size as a constant.
    example = torch.from_numpy(to_batch([synthetic_picture(0), synthetic_picture(1)], network.preprocess))
    sides: dict[int, Any] = {2: height, 3: width}
    if any_size:
        # Of two lengths, so that the exporter does not take one side for the other, and large enough for two places.
        example = example.repeat(1, 1, 2, 3)
        sides = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    with _quiet():
        program = torch.onnx.export(
            network.graph,
            (example,),
            dynamo=True,
            input_names=["pictures"],
            output_names=list(network.outputs),
            dynamic_shapes=({0: torch.export.Dim.AUTO if any_size else torch.export.Dim("B"), 1: 3, **sides},),
            external_data=False,
            optimize=optimize,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("no program")
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which warns about its own internals."""
    noisy = [logging.getLogger(name) for name in ("onnxscript", "torch.onnx")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)


def _not_exported(network: Network, error: Exception) -> ExportFailed:
    cause = error.__cause__ or error
    return ExportFailed(
        f"torch cannot export {network.backbone} at {in_words(network.preprocess.size)} px to ONNX "
        f"({first_line(cause)}); try another --size or backbone"
    )
