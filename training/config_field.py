"""Config fields: dataclass fields that carry their own ``--help`` text and option group."""

import dataclasses
from typing import Any, Literal

Group = Literal["Common", "Method", "Schedule", "Machine"]
"""Heading under which ``--help`` lists an option."""


def config_field(
    default: Any, text: str, choices: tuple[str, ...] = (), flag: str | None = None, group: Group = "Method"
) -> Any:
    """Make a dataclass field with a ``default`` and a help text: what it does, and where the default comes from.

    ``choices``: the allowed values; empty allows any. ``flag``: the option's name, if it differs from the field's.
    """
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices, "flag": flag, "group": group})
