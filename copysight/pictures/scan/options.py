"""How a source is read: what is left out, and the limits of its pictures. As an object, and as options of a command."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import click

from copysight.errors import InvalidArgument
from copysight.pictures.decode import Limits
from copysight.pictures.formats import readers

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT = Limits()


@dataclass(frozen=True)
class ScanOptions:
    """Patterns of what to leave out (`rules`), and the limits of a picture."""

    exclude: tuple[str, ...] = ()
    limits: Limits = DEFAULT


ORDINARY = ScanOptions()


def scan_options(command: F) -> F:
    """Add the options of every command that reads folders of pictures. The command gets them as ``reading``."""

    @functools.wraps(command)
    def wrapped(exclude: tuple[str, ...], **given: Any) -> Any:
        return command(reading=ScanOptions(exclude, limits_of(given)), **given)

    decorated = limit_options(cast("F", wrapped))
    return click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        help="Leave out files and folders that match, such as '*.gif', 'drafts/' or '2024/**/raw'. You can repeat this "
        "option. A pattern that begins with a slash begins at the source.",
    )(decorated)


def limit_options(command: F) -> F:
    """Add the options for the limits of a picture, which are also settings of the service."""
    for option in (
        click.option(
            "--formats",
            envvar="COPYSIGHT_FORMATS",
            default=",".join(DEFAULT.formats),
            show_default=True,
            help="Formats of pictures that are read, separated by commas.",
        ),
        click.option(
            "--max-bytes",
            envvar="COPYSIGHT_MAX_BYTES",
            type=click.IntRange(1024),
            default=DEFAULT.max_bytes,
            show_default=True,
            help="Maximum size of a picture file, in bytes.",
        ),
        click.option(
            "--max-pixels",
            envvar="COPYSIGHT_MAX_PIXELS",
            type=click.IntRange(64),
            default=DEFAULT.max_pixels,
            show_default=True,
            help="Maximum number of pixels of a picture.",
        ),
    ):
        command = option(command)
    return command


def limits_of_environment(environment: Mapping[str, str]) -> Limits:
    """The limits of commands without these options, from the same variables. Raises ``InvalidArgument``."""
    numbers = {"max_bytes": DEFAULT.max_bytes, "max_pixels": DEFAULT.max_pixels}
    given: dict[str, Any] = {"formats": environment.get("COPYSIGHT_FORMATS") or ",".join(DEFAULT.formats)}
    for name, ordinary in numbers.items():
        text = environment.get(f"COPYSIGHT_{name.upper()}") or str(ordinary)
        if not text.isdecimal():
            raise InvalidArgument(f"got COPYSIGHT_{name.upper()}={text}; it must be a whole number")
        given[name] = int(text)
    return limits_of(given)


def limits_of(given: dict[str, Any]) -> Limits:
    """The limits that the options of `limit_options` gave; takes them out of ``given``. Raises ``InvalidArgument``."""
    try:
        formats = readers.check(given.pop("formats").split(","))
    except ValueError as error:
        raise InvalidArgument(str(error)) from error
    return Limits(max_bytes=given.pop("max_bytes"), max_pixels=given.pop("max_pixels"), formats=formats)
