"""Options of ``export`` for ONNX and TorchScript files of others."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from copysight.system.numbers import Pixels
from training.export.foreign.choices import PIXELS, Wishes

F = TypeVar("F", bound=Callable[..., Any])
NAMES = ("layout", "pixels", "mean", "std", "resize", "resize_to", "interpolation", "output", "processor", "origin")
"""Parameters of the options."""


class Channels(click.ParamType):  # type: ignore[type-arg]
    """Three numbers, for red, green and blue, separated by commas. ``positive``: each is above 0."""

    name = "three numbers"

    def __init__(self, positive: bool = False) -> None:
        self.positive = positive

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        """The numbers. Fails with a usage error."""
        try:
            red, green, blue = (float(one) for one in (value if isinstance(value, tuple) else value.split(",")))
        except ValueError:
            self.fail(f"{value!r} are not three numbers; separate them by commas, as in 0.5,0.5,0.5.", param, ctx)
        for one in (red, green, blue):
            if not math.isfinite(one) or abs(one) > 1e6 or (self.positive and one <= 0):
                self.fail(
                    f"{value} are out of range; each must be {'above 0' * self.positive or 'finite'}.", param, ctx
                )
        return (red, green, blue)


def foreign_options(command: F) -> F:
    """Add the options to a command, which gets them by name."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def wishes_of(given: dict[str, Any]) -> Wishes:
    """The settings for a file, from the parameters of the command."""
    names = set(Wishes.__dataclass_fields__)
    return Wishes(**{name: value for name, value in given.items() if name in names})


OPTIONS = (
    click.option(
        "--layout",
        type=click.Choice(["NCHW", "NHWC"]),
        default=None,
        help="ONNX files: whether the channels come before or after the sides. By default the file says it.",
    ),
    click.option(
        "--pixels",
        type=click.Choice(list(PIXELS)),
        default=None,
        help="ONNX files: normalisation of float pixels: that of ImageNet or CLIP, half (-1..1), unit (0..1), bytes "
        "(0..255). By default it is unit or bytes if the graph normalises them itself, else imagenet, a guess.",
    ),
    click.option("--mean", type=Channels(), help="ONNX files: mean of channel values in 0..1, instead of --pixels."),
    click.option("--std", type=Channels(positive=True), help="ONNX files: standard deviation, together with --mean."),
    click.option(
        "--resize",
        type=click.Choice(["squash", "shortest"]),
        default=None,
        help="ONNX files: squash the picture to --resize-to, or resize its shortest side to --resize-to; then cut out "
        "the centre. The default is squash.",
    ),
    click.option(
        "--resize-to",
        type=Pixels(1, 8192),
        default=None,
        help="ONNX files: pixels before the centre is cut out. By default it is the input size: nothing is cut away.",
    ),
    click.option(
        "--interpolation",
        type=click.Choice(["bilinear", "bicubic"]),
        default=None,
        help="ONNX files: filter of the resize. The default is bilinear.",
    ),
    click.option(
        "--output",
        default=None,
        help="ONNX files: name of the output that is the embedding. By default the only one that can be.",
    ),
    click.option(
        "--processor",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        default=None,
        help="ONNX files: preprocessor_config.json of the model. By default the one beside the file, if there is one. "
        "Options come first.",
    ),
    click.option("--origin", default=None, help="ONNX files: where the file is from, for the model card."),
)
