"""Where pictures come from: a folder tree, or tar shards; one at a time, in a fixed order."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from copysight.errors import NoPictures

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})


@dataclass(frozen=True)
class Encoded:
    """One picture file: its name inside the source (a relative path) and its bytes."""

    name: str
    data: bytes


def read(source: Path) -> Iterator[Encoded]:
    """Every picture file under ``source``: a tar file, a folder of tar shards, or a folder tree of pictures.

    Pictures are recognised by their suffix and come sorted by name (tar members in the order of the tar).
    """
    for file in files(source):
        if file.suffix == ".tar":
            yield from _members(file)
        else:
            yield Encoded(str(file.relative_to(source)) if source.is_dir() else file.name, file.read_bytes())


def files(source: Path) -> list[Path]:
    """The files that ``read`` would open, sorted. Raises ``NoPictures`` when there is none."""
    if source.is_file():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else []
    shards = [path for path in found if path.suffix == ".tar"]
    pictures = shards or [path for path in found if path.suffix.lower() in SUFFIXES]
    if not pictures:
        raise NoPictures(
            f"found no pictures at {source}; give a folder with {', '.join(sorted(SUFFIXES))} files, a tar file, or a "
            "folder of tar shards"
        )
    return pictures


def _members(shard: Path) -> Iterator[Encoded]:
    try:
        with tarfile.open(shard) as tar:
            for member in tar:
                body = tar.extractfile(member) if Path(member.name).suffix.lower() in SUFFIXES else None
                if body is not None:
                    yield Encoded(member.name, body.read())
    except tarfile.TarError as error:
        raise NoPictures(f"{shard} cannot be read as a tar file ({error}); give a whole, undamaged shard") from error
