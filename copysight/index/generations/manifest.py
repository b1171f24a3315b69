"""What a generation says about itself: ``manifest.json``."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from copysight.errors import IndexCorrupt
from copysight.index.generations.index_type import Choice
from copysight.system import durable

FORMAT = 1
FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """``sequence`` is the catalog's that the generation covers; ``recall`` is recall@10 of a sample, as measured.

    ``built_at`` is in seconds since the epoch; ``files`` holds the sha256 of every other file.
    """

    bundle: str
    variant: str
    sequence: int
    count: int
    dimension: int
    choice: Choice
    recall: float
    clusters: int
    collections: tuple[str, ...]
    built_at: float
    files: Mapping[str, str]


def write(directory: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into a generation that is being made."""
    body = {"format": FORMAT, **asdict(manifest)}
    text = json.dumps({**body, "checksum": _checksum(body)}, indent=1)
    (directory / FILE).write_text(text + "\n")


def read(directory: Path) -> Manifest:
    """Read a manifest. Raises ``IndexCorrupt``."""
    try:
        data = json.loads((directory / FILE).read_bytes())
        return _parse(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexCorrupt(
            f"{directory / FILE} is missing or damaged ({error}); rebuild by `copysight index rebuild`",
            generation=directory.name,
        ) from error


def verify(directory: Path, manifest: Manifest, rest: float = 0.0) -> None:
    """Compare every file with its checksum; ``rest`` as in `durable.sha256`. Raises ``IndexCorrupt``."""
    for name, expected in manifest.files.items():
        file = directory / name
        try:
            found = durable.sha256(file, rest)
        except OSError as error:  # not there, or on a part of the disk that cannot be read any more
            raise _damaged(file, f"cannot be read ({error.strerror})") from error
        if found != expected:
            raise _damaged(file, "differs from its checksum")


def _damaged(file: Path, how: str) -> IndexCorrupt:
    return IndexCorrupt(
        f"{file} {how}; rebuild by `copysight index rebuild`", generation=file.parent.name, file=file.name
    )


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _parse(data: dict[str, Any]) -> Manifest:
    if data.pop("checksum") != _checksum(data):
        raise ValueError("differs from its checksum")
    if data.pop("format") != FORMAT:
        raise ValueError(f"of another format than {FORMAT}")
    data["choice"] = Choice(**data["choice"])
    data["collections"] = tuple(data["collections"])
    if any("/" in name or name.startswith(".") for name in data["files"]):
        raise ValueError("a file name with a path in it")
    return Manifest(**data)
