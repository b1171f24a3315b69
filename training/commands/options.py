"""Make command-line options from config dataclasses: one option per field, with its default and help text."""

import dataclasses
from collections.abc import Callable
from typing import Any

import click

from copysight.system.numbers import Pixels, Real
from training.commands.option_groups import GroupedOption
from training.config_field import Span

Command = Callable[..., Any]


def config_options(config: type) -> Callable[[Command], Command]:
    """Decorator that adds an option for every field of the dataclass ``config`` that ``config_field`` made."""

    def decorate(command: Command) -> Command:
        for field in reversed(dataclasses.fields(config)):
            if "help" in field.metadata:
                command = _option(field)(command)
        return command

    return decorate


def pop_config(config: type, options: dict[str, Any]) -> dict[str, Any]:
    """Remove the fields of ``config`` from ``options`` and return them."""
    return {field.name: options.pop(field.name) for field in dataclasses.fields(config) if field.name in options}


def _option(field: dataclasses.Field[Any]) -> Callable[[Command], Command]:
    flag = field.metadata["flag"] or "--" + field.name.replace("_", "-")
    settings: dict[str, Any] = {
        "cls": GroupedOption,
        "group": field.metadata["group"],
        "default": field.default,
        "show_default": True,
        "help": field.metadata["help"],
    }
    if isinstance(field.default, bool):
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", field.name, **settings)
    if choices := field.metadata["choices"]:
        settings["type"] = click.Choice(choices)
    elif span := field.metadata["span"]:
        settings["type"] = number(span, whole=isinstance(field.default, int))
    elif isinstance(field.default, tuple):
        settings["multiple"] = True
    return click.option(flag, field.name, **settings)


def number(span: Span, whole: bool) -> click.IntRange | Real | Pixels:
    """The type of an option for numbers within ``span``."""
    if span.rectangle and span.most is not None:
        return Pixels(int(span.least), int(span.most))
    if whole:
        return click.IntRange(int(span.least), None if span.most is None else int(span.most), min_open=span.above)
    return Real(span.least, span.most, min_open=span.above)
