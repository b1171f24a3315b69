"""Numbers of command-line options: within a range, and finite."""

import math
import re
from typing import Any

import click


class Real(click.FloatRange):
    """A number within a range. click's own range takes ``nan``, which no comparison refuses, and infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Fails with a usage error."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Pixels(click.ParamType):  # type: ignore[type-arg]
    """The side of a square in pixels, such as 224, or height and width, such as 224x160: an int, or a tuple of two."""

    def __init__(self, min: int, max: int) -> None:  # noqa: A002 - click's names
        self.min, self.max, self.name = min, max, f"pixels {min}..{max}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        """The size; two equal sides are one. Fails with a usage error."""
        text = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
        found = re.fullmatch(r"(\d{1,9})(?:[xX](\d{1,9}))?", text, re.ASCII)
        if found is None:
            self.fail(f"{text!r} is no size; give a number of pixels, or height and width as in 224x160.", param, ctx)
        sides = [int(side) for side in found.groups() if side]
        for side in sides:
            if not self.min <= side <= self.max:
                self.fail(f"{text} is not in the range {self.min}<=x<={self.max}.", param, ctx)
        return (sides[0], sides[1]) if len(set(sides)) == 2 else sides[0]


def rising(ctx: click.Context, param: click.Parameter, value: tuple[float, float]) -> tuple[float, float]:
    """Callback of an option with two numbers, of which the first must not be greater. Fails with a usage error."""
    if value[0] > value[1]:
        raise click.BadParameter(
            f"{value[0]:g} {value[1]:g} is no range; the first number must not be greater.", ctx, param
        )
    return value
