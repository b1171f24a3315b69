"""What there is to read: a folder tree of pictures, a tar shard, or a folder of shards."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from copysight.errors import NoPictures

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})


@dataclass(frozen=True)
class Entry:
    """One picture file, not read yet.

    ``key`` is its path relative to the source (for a member of a shard: the shard's, a slash, the member's);
    ``file`` is read from ``offset`` for ``size`` bytes; ``stamp`` changes when the file does.
    """

    key: str
    file: Path
    offset: int
    size: int
    stamp: str
    in_shard: bool

    def read(self) -> bytes:
        """The bytes. Raises ``OSError``."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    @property
    def source(self) -> str | None:
        """Where the very bytes can be read again; None for a member of a shard, or a path that is no text."""
        path = str(self.file.resolve())
        return None if self.in_shard or not path.isprintable() else path


@dataclass(frozen=True)
class Scan:
    """The picture files of a source, sorted by key, and how many other files lie between them."""

    source: Path
    entries: tuple[Entry, ...]
    ignored: int


def scan(source: Path) -> Scan:
    """List the pictures of ``source`` by their suffixes; hidden files are passed over. Raises ``NoPictures``."""
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
            entries.append(Entry(_text(key), file, 0, status.st_size, f"{status.st_size}-{status.st_mtime_ns}", False))
        else:
            ignored += 1
    if not entries:
        raise NoPictures(
            f"found no pictures at {source} ({len(files)} other files); give a folder or tar shards with "
            f"{', '.join(sorted(SUFFIXES))} files",
            source=str(source),
        )
    return Scan(source, tuple(sorted(entries, key=lambda entry: entry.key)), ignored)


def _text(key: str) -> str:
    # File names are bytes: what is no text, or would break a line, is spelled out.
    return key if key.isprintable() else ascii(key)[1:-1]


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return [file for file in source.rglob("[!.]*") if _is_shown(file.relative_to(source)) and file.is_file()]


def _is_shown(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.parts)


def _members(shard: Path, key: str) -> Iterator[Entry]:
    # Only headers are read here; pictures are read later, in any order, straight from the shard.
    changed = shard.stat().st_mtime_ns
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    stamp = f"{member.offset_data}-{member.size}-{changed}"
                    yield Entry(_text(f"{key}/{member.name}"), shard, member.offset_data, member.size, stamp, True)
    except tarfile.TarError as error:
        raise NoPictures(f"{shard} cannot be read as a tar file ({error}); give a whole, uncompressed shard") from error
