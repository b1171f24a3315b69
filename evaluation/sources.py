"""The sources of a command: scan them with its options, read their pictures, and keep the account for its report."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures import scan as scans
from copysight.pictures.scan import ORDINARY, Account, Entry, Failure, Scan, ScanOptions, scan_options

F = TypeVar("F", bound=Callable[..., Any])
META = __name__


@dataclass
class Sources:
    """What one command reads: its options, scans and fingerprints by path, and the pictures that could not be read."""

    options: ScanOptions = ORDINARY
    scans: dict[Path, Scan] = field(default_factory=dict)
    failures: dict[Entry, Failure] = field(default_factory=dict)
    fingerprints: dict[Path, str] = field(default_factory=dict)

    def accounts(self) -> list[Account]:
        """The account of each source, in the order of their scans."""
        return [
            one.account.with_failures(self.failures[entry] for entry in one.entries if entry in self.failures)
            for one in self.scans.values()
        ]


def current() -> Sources:
    """The sources of the running command; new ones outside of a command."""
    context = click.get_current_context(silent=True)
    return Sources() if context is None else cast("Sources", context.meta.setdefault(META, Sources()))


def reading_sources(command: F) -> F:
    """Add the options of `scan_options` to a command, for all its sources."""

    @wraps(command)
    def wrapped(reading: ScanOptions, **given: Any) -> Any:
        click.get_current_context().meta[META] = Sources(reading)
        return command(**given)

    return scan_options(cast("F", wrapped))


def scan(path: Path) -> Scan:
    """Scan a source with the options of the command. Raises ``NoPictures``."""
    sources = current()
    if path not in sources.scans:
        sources.scans[path] = scans.scan(path, sources.options)
    return sources.scans[path]


def read(entry: Entry, at_least: int | None = None) -> Image.Image:
    """Decode a picture within the limits of the command. Raises ``InvalidArgument`` if it cannot be read."""
    found = entry.decode(current().options.limits, at_least)
    if isinstance(found, Failure):
        raise InvalidArgument(f"{found.key}: {found.detail}", code=found.code)
    return found.pixels
