"""Config fields: dataclass fields that carry their own ``--help`` text, option group and range."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Group = Literal["Common", "Method", "Schedule", "Machine"]
"""Heading under which ``--help`` lists an option."""


@dataclass(frozen=True)
class Span:
    """The values that a number may have: from ``least`` to ``most``. ``above``: without ``least`` itself.

    ``rectangle``: it is the side of a square, or height and width.
    """

    least: float
    most: float | None = None
    above: bool = False
    rectangle: bool = False


SHARE = Span(0, 1)
"""A probability, a momentum or a share of something."""
DROP = Span(0, 0.99)
"""A rate of dropped blocks. At 1 nothing is left."""
POSITIVE, NOT_NEGATIVE = Span(0, above=True), Span(0)
SIDE = Span(8, 4096, rectangle=True)
"""Pixels of a crop."""
WIDTH = Span(1, 65_536)
"""Dimension of a layer."""
PROTOTYPES = Span(2, 10_000_000)
ITERATIONS = Span(1, 1000)
STAGES = Span(0, 100)
"""Number of stages of a network."""
MEMORY = Span(0, 10_000_000)
"""Number of embeddings that are kept."""


def named_options(config: Any) -> dict[str, Any]:
    """The values of a config by the names of their options, without dashes before them."""
    return {
        (field.metadata["flag"] or field.name).removeprefix("--").replace("_", "-"): getattr(config, field.name)
        for field in dataclasses.fields(config)
        if "help" in field.metadata
    }


def config_field(
    default: Any,
    text: str,
    choices: tuple[str, ...] = (),
    flag: str | None = None,
    group: Group = "Method",
    span: Span | None = None,
) -> Any:
    """Make a dataclass field with a ``default`` and a help text: what it does, and where the default comes from.

    ``choices``: the allowed values; empty allows any. ``flag``: the option's name, if it differs from the field's.
    ``span``: the range of a number.
    """
    metadata = {"help": text, "choices": choices, "flag": flag, "group": group, "span": span}
    return dataclasses.field(default=default, metadata=metadata)
