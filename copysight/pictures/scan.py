"""List the picture files of a source: a folder tree, a tar shard, or a folder of shards."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from copysight.errors import NoPictures

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})


@dataclass(frozen=True)
class Entry:
    """One picture file, not read yet.

    ``key`` is its path relative to the source; for a member of a shard: the shard's path, a slash, the member's path.
    Its bytes are ``size`` bytes of ``file``, starting at ``offset``. ``stamp`` changes when the file changes.
    """

    key: str
    file: Path
    offset: int
    size: int
    stamp: str
    in_shard: bool

    def read(self) -> bytes:
        """Read the bytes. Raises ``OSError``."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    @property
    def source(self) -> str | None:
        """Path of the file; None for a member of a shard and for a path that is not printable text."""
        path = str(self.file.resolve())
        return None if self.in_shard or not path.isprintable() else path


@dataclass(frozen=True)
class Scan:
    """The picture files of a source, sorted by key. ``ignored`` counts the other files."""

    source: Path
    entries: tuple[Entry, ...]
    ignored: int


def scan(source: Path) -> Scan:
    """List the pictures of ``source`` by file suffix, without hidden files. Raises ``NoPictures``."""
    root = source if source.is_dir() else source.parent
    files = _files(source)
    entries: list[Entry] = []
    ignored = 0
    for file in files:
        key = file.relative_to(root).as_posix()
        if file.suffix.lower() == ".tar":
            entries += _members(file, key)
        elif file.suffix.lower() in SUFFIXES:
            status = file.stat()
            entries.append(
                Entry(_printable(key), file, 0, status.st_size, f"{status.st_size}-{status.st_mtime_ns}", False)
            )
        else:
            ignored += 1
    if not entries:
        raise NoPictures(
            f"found no pictures at {source} ({len(files)} other files); give a folder or tar shards with "
            f"{', '.join(sorted(SUFFIXES))} files",
            source=str(source),
        )
    return Scan(source, tuple(sorted(entries, key=lambda entry: entry.key)), ignored)


def _printable(key: str) -> str:
    # File names are bytes. A name that is not printable text is escaped.
    return key if key.isprintable() else ascii(key)[1:-1]


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return [file for file in source.rglob("[!.]*") if _is_visible(file.relative_to(source)) and file.is_file()]


def _is_visible(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.parts)


def _members(shard: Path, key: str) -> Iterator[Entry]:
    # Only headers are read here. The pictures are read later from the shard, in any order.
    modified = shard.stat().st_mtime_ns
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    stamp = f"{member.offset_data}-{member.size}-{modified}"
                    yield Entry(_printable(f"{key}/{member.name}"), shard, member.offset_data, member.size, stamp, True)
    except tarfile.TarError as error:
        raise NoPictures(
            f"{shard} cannot be read as a tar file ({error}); give a complete, uncompressed shard"
        ) from error
