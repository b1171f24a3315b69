"""Originals and thumbnails as files: ``blobs/ab/abcdef…`` and ``….jpg``."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from copysight.blobs.store import NAME, SUFFIX, path_of
from copysight.system import durable

JPEG_ENDS = (b"\xff\xd8", b"\xff\xd9")
"""The first and the last two bytes of a JPEG file."""


class FileStore:
    """A directory. A writer that is killed, or a power cut, leaves a whole file or none."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def lacks(self, name: str, size: int | None = None) -> bool:
        """Whether `write` is needed; if not, the file is durable."""
        path = self.path(name)
        found = _size(path) == size if size is not None else self._is_whole(name)
        if found:
            durable.sync_directory(path.parent)  # another writer may not have synced it yet
        return not found

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store files by name. Raises ``NotWritable``."""
        for name, data in files.items():
            self._write(self.path(name), data)

    def move_in(self, files: Iterable[Path]) -> None:
        """Move durable files of the same file system; one sync makes all moves durable."""
        for file in files:
            target = self.path(file.name)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
        durable.sync_filesystem(self.directory)

    def read(self, name: str) -> bytes | None:
        """The contents; None if there is no such file, or an empty one, as after a power cut of another writer."""
        return read(self.path(name))

    def holds(self, names: Iterable[str]) -> set[str]:
        """Those of the names under which there is a whole file."""
        return {name for name in names if self._is_whole(name)}

    def held(self) -> Callable[[str], bool]:
        """A function that says whether there is a whole file under a name."""
        return self._is_whole

    def names(self) -> Iterator[str]:
        """All names."""
        return (path.name for path in self.directory.glob("??/*") if NAME.fullmatch(path.name))

    def damaged(self) -> Iterator[str]:
        """The originals whose bytes have another sha256."""
        originals = sorted(name for name in self.names() if not name.endswith(SUFFIX))
        return (name for name in originals if durable.sha256(self.path(name)) != name)

    def copy_to(self, names: Iterable[str], directory: Path) -> None:
        """Copy files to ``ab/abcdef…`` below ``directory``."""
        for name in names:
            source, target = self.path(name), directory / path_of(name)
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def delete(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove the temporary files of killed writers."""
        for path in self.directory.glob("??/.*.tmp"):
            path.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the file of a name is, or would be."""
        return self.directory / path_of(name)

    def files(self, sha256: str) -> list[Path]:
        """Paths of the original and the thumbnail that are stored."""
        return [path for name in (sha256, sha256 + SUFFIX) if (path := self.path(name)).exists()]

    def _write(self, path: Path, data: bytes) -> None:
        with durable.writable(self.directory):
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                durable.sync_directory(self.directory)
            durable.write_file(path, data)

    def _is_whole(self, name: str) -> bool:
        """A thumbnail is whole as far as its first and last bytes say, an original if it is not empty."""
        path = self.path(name)
        return _is_jpeg(path) if name.endswith(SUFFIX) else _size(path) > 0


def read(path: Path) -> bytes | None:
    """The contents of a file; None if it cannot be read, or is empty."""
    try:
        return path.read_bytes() or None
    except (OSError, ValueError):  # ValueError: a path that no file can have
        return None


def is_there(path: Path) -> bool:
    """Whether there is a file that is not empty."""
    return _size(path) > 0


def _is_jpeg(path: Path) -> bool:
    try:
        with path.open("rb", buffering=0) as file:
            begin = file.read(2)
            file.seek(-min(2, file.seek(0, os.SEEK_END)), os.SEEK_END)
            return (begin, file.read(2)) == JPEG_ENDS
    except OSError:
        return False


def _size(path: Path) -> int:
    """Bytes of a file; -1 if there is none."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except (OSError, ValueError):
        return -1
