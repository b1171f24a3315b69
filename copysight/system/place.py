"""Whether a directory and a file in it are still those that were opened, although others may move or replace them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Inside:
    """What a file says of itself: a random ``identity``, and a ``sequence`` that never falls."""

    identity: str | None
    sequence: int


class Place:
    """A directory and a file in it, known by device and inode, and by an identity inside the file.

    Both are held open, so that no later file can get their inodes. A copy that is written over the file keeps its
    inode: ``read`` reads the identity again when the file has changed. Closing an ordinary descriptor of the file would
    release the locks that this process holds on it (`fcntl`), so only descriptors without access (``O_PATH``) are used.
    """

    def __init__(self, file: Path, identity: str, read: Callable[[], Inside | None]) -> None:
        self._paths = (file.parent, file)
        self._handles = [os.open(path, os.O_PATH) for path in self._paths]
        self._known = [_number(os.fstat(handle)) for handle in self._handles]
        self._identity, self._read = identity, read
        self._last = Inside(None, 0)
        self._stamp = 0

    def fault(self) -> str | None:
        """Why they are not those that were opened; None if they are. Takes two calls of `stat`, 4 us."""
        try:
            directory, file = (path.stat() for path in self._paths)
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        if [_number(directory), _number(file)] != self._known:
            return "another directory or file is at its place"
        return None if file.st_mtime_ns == self._stamp else self._read_again(file.st_mtime_ns)

    def close(self) -> None:
        """Close the descriptors. `fault` can still be called."""
        while self._handles:
            os.close(self._handles.pop())

    def _read_again(self, stamp: int) -> str | None:
        found, last = self._read(), self._last
        if found is None:
            return "its catalog cannot be read"
        unknown = found.identity is None and last.identity is None  # no checkpoint since the migration
        if not unknown and (found.identity != self._identity or found.sequence < last.sequence):
            return "another catalog was written over its catalog"
        self._last, self._stamp = found, stamp
        return None


def _number(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
