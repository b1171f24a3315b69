"""A small document that processes share and change one at a time: a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from copysight.system import durable
from copysight.system.locks.file_lock import FileLock


class Document(Protocol):
    """Bytes that several processes read and change."""

    def read(self) -> bytes | None:
        """The contents; None if there are none yet. The same object as before if nothing has changed."""

    def change(self, make: Callable[[bytes | None], bytes]) -> None:
        """Replace the contents by what ``make`` returns for the current ones. Excludes other changes."""


class FileDocument:
    """A file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int], bytes] | None = None

    def read(self) -> bytes | None:
        """The contents. What others write is seen by the next call."""
        stamp = self._stamp()
        if stamp is None:
            return None
        if self._read is None or self._read[0] != stamp:
            self._read = (stamp, self._path.read_bytes())
        return self._read[1]

    def change(self, make: Callable[[bytes | None], bytes]) -> None:
        """Replace the contents. Raises ``NotWritable``."""
        lock = FileLock(self._path.with_name(f".{self._path.stem}.lock"), 0o600)
        lock.acquire(wait=True)
        try:
            durable.write_file(self._path, make(self._path.read_bytes() if self._path.exists() else None))
            self._path.chmod(0o600)
        finally:
            lock.release()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
