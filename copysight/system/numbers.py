"""Numbers of command-line options: within a range, and finite."""

import math
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


def rising(ctx: click.Context, param: click.Parameter, value: tuple[float, float]) -> tuple[float, float]:
    """Callback of an option with two numbers, of which the first must not be greater. Fails with a usage error."""
    if value[0] > value[1]:
        raise click.BadParameter(
            f"{value[0]:g} {value[1]:g} is no range; the first number must not be greater.", ctx, param
        )
    return value
