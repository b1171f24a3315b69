"""Command-line options made from settings: one option per field, with the field's own default and explanation."""

import dataclasses
from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


def of(config: type) -> Callable[[Command], Command]:
    """Decorator that adds one option for every explained field of the dataclass ``config``."""

    def decorate(command: Command) -> Command:
        for field in reversed(dataclasses.fields(config)):
            if "help" in field.metadata:
                command = _option(field)(command)
        return command

    return decorate


def take(config: type, options: dict[str, Any]) -> dict[str, Any]:
    """Remove the fields of ``config`` from ``options`` and return them."""
    return {field.name: options.pop(field.name) for field in dataclasses.fields(config) if field.name in options}


def _option(field: dataclasses.Field[Any]) -> Callable[[Command], Command]:
    flag = field.metadata["flag"] or "--" + field.name.replace("_", "-")
    settings: dict[str, Any] = {"default": field.default, "show_default": True, "help": field.metadata["help"]}
    if isinstance(field.default, bool):
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", field.name, **settings)
    if isinstance(field.default, tuple):
        return click.option(flag, field.name, nargs=len(field.default), **settings)
    if choices := field.metadata["choices"]:
        settings["type"] = click.Choice(choices)
    return click.option(flag, field.name, **settings)
