"""Arguments of the commands: one or more sources of features, then the data."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from copysight.model import bundle as bundles
from evaluation.features import hashes
from evaluation.features.extract import PATCHES

F = TypeVar("F", bound=Callable[..., Any])
BASELINES = frozenset({"pixels", "colours", *hashes.BY_NAME, "pdq8"})
"""Sources that are no bundle."""


def sources_and_data(name: str = "source", several: bool = True) -> Callable[[F], F]:
    """Add the arguments ``name`` (one or more sources) and ``data`` to a command.

    The command gets ``sources`` (words) and ``data``: paths, or one path unless ``several`` are possible. Sources come
    first. A word is a source if it names a bundle or a baseline; an existing path that holds no bundle is data.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def wrapped(data: tuple[str, ...], **given: Any) -> Any:
            sources, paths = split([given.pop(name), *data], several)
            return command(sources=sources, data=paths if several else paths[0], **given)

        rest = click.argument("data", nargs=-1, required=True, metavar="DATA..." if several else "DATA")
        return click.argument(name, metavar=f"{name.upper()}...")(rest(cast("F", wrapped)))

    return decorate


def split(words: Sequence[str], several: bool) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """The sources and the data among words, in order; the first word is a source, and the last one is data.

    Raises ``click.UsageError`` for data that do not exist, for a source after data, and for more than one path unless
    ``several`` are possible.
    """
    count = next((place for place, word in enumerate(words[:-1]) if place and not is_source(word)), len(words) - 1)
    sources, data = tuple(words[:count]), tuple(Path(word) for word in words[count:])
    if not several and len(data) > 1:
        raise click.UsageError(f"{data[0]} is no source, and only one folder or tar file can be measured at a time")
    for path in data:
        if not path.exists():
            raise click.UsageError(f"'{path}' is neither a bundle, nor a baseline, nor an existing path")
        if is_bundle(str(path)):
            raise click.UsageError(f"the bundle {path} comes after {data[0]}; give all sources before the data")
    return sources, data


def is_source(word: str) -> bool:
    """Whether a word names a bundle or a baseline. A path with the name of a baseline is none: it is data."""
    if is_bundle(word) or (word.endswith(PATCHES) and is_bundle(word.removesuffix(PATCHES))):
        return True
    return word in BASELINES and not Path(word).exists()


def is_bundle(word: str) -> bool:
    """Whether a word names a bundle."""
    return word == "default" or (Path(word) / bundles.DESCRIPTION).is_file()


def place_of(folder: Path, source: str, sources: Sequence[str]) -> Path:
    """Where the files of a source belong: in ``folder``, or with several sources in a folder of its own in it."""
    if len(sources) == 1:
        return folder
    name = Path(source.removesuffix(PATCHES)).resolve().name if is_bundle(source) and source != "default" else source
    alike = [other for other in sources if other != source and Path(other).name == name]
    return folder / (f"{sources.index(source) + 1}-{name}" if alike else name.replace(":", "-"))
