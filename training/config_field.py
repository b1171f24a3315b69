"""Settings that explain themselves: a dataclass field with a help text and its source, read by the commands."""

import dataclasses
from typing import Any


def config_field(default: Any, text: str, choices: tuple[str, ...] = (), flag: str | None = None) -> Any:
    """A dataclass field with a ``default`` and, for ``--help``, what it does and where the default comes from.

    ``flag``: the option's name where it is not the field's.
    """
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices, "flag": flag})
