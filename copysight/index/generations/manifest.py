"""The manifest of a generation, ``manifest.json``: its contents, parameters and checksums."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from copysight.errors import IndexCorrupt
from copysight.index.generations.index_type import IndexType
from copysight.system import durable

FORMAT = 1
FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The generation covers the catalog up to ``sequence``. ``recall`` is the measured recall@10 of a sample.

    ``built_at`` is in seconds since the epoch. ``files`` maps the name of every other file to its sha256.
    ``collection`` is the collection of Milvus that holds the vectors; None: they are in the files.
    """

    bundle: str
    variant: str
    sequence: int
    count: int
    dimension: int
    choice: IndexType
    recall: float
    clusters: int
    collections: tuple[str, ...]
    built_at: float
    files: Mapping[str, str]
    collection: str | None = None


def write(directory: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into the directory of a new generation."""
    body = {"format": FORMAT, **asdict(manifest)}
    if manifest.collection is None:  # as older versions write and read it
        del body["collection"]
    text = json.dumps({**body, "checksum": _checksum(body)}, indent=1)
    (directory / FILE).write_text(text + "\n")


def read(directory: Path) -> Manifest:
    """Read a manifest. Raises ``IndexCorrupt``."""
    try:
        return parse((directory / FILE).read_bytes())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexCorrupt(
            f"{directory / FILE} is missing or damaged ({error}); run `copysight index rebuild`",
            generation=directory.name,
        ) from error


def parse(content: bytes) -> Manifest:
    """The manifest in the contents of its file. Raises ``ValueError`` and others if it is damaged."""
    return _parse(json.loads(content))


def verify(directory: Path, manifest: Manifest, pause: float = 0.0) -> None:
    """Compare every file with its checksum; ``pause`` as in `durable.sha256`. Raises ``IndexCorrupt``."""
    for name, expected in manifest.files.items():
        file = directory / name
        try:
            found = durable.sha256(file, pause)
        except OSError as error:  # the file is missing, or the disk has a read error
            raise _damaged(file, f"cannot be read ({error.strerror})") from error
        if found != expected:
            raise _damaged(file, "differs from its checksum")


def _damaged(file: Path, how: str) -> IndexCorrupt:
    return IndexCorrupt(f"{file} {how}; run `copysight index rebuild`", generation=file.parent.name, file=file.name)


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _parse(data: dict[str, Any]) -> Manifest:
    if data.pop("checksum") != _checksum(data):
        raise ValueError("differs from its checksum")
    if data.pop("format") != FORMAT:
        raise ValueError(f"the format is not {FORMAT}")
    data["choice"] = IndexType(**data["choice"])
    data["collections"] = tuple(data["collections"])
    if any("/" in name or name.startswith(".") for name in data["files"]):
        raise ValueError("a file name contains a path")
    return Manifest(**data)
