"""A lock that many holders share, or one has alone, as a file (``flock``)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from copysight.system import durable


class SharedLock(Protocol):
    """Excludes who holds it alone from all others. It ends with its process, even by a kill."""

    def shared(self) -> AbstractContextManager[None]:
        """Hold it together with others; waits while somebody has it alone.

        Raises at the end of the block if the lock was lost in it; what the block has done must then not be
        acknowledged.
        """

    def alone(self, wait: bool) -> AbstractContextManager[bool]:
        """Hold it alone; ``wait`` until nobody has it. Yields whether this holder has it now."""


class SharedFileLock:
    """A file. Each holder opens it anew, so that it also works between threads of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold it together with others. Raises ``NotWritable``."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self, wait: bool) -> Iterator[bool]:
        """Hold it alone. Raises ``NotWritable``."""
        with self._locked(fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)) as locked:
            yield locked

    @contextmanager
    def _locked(self, kind: int) -> Iterator[bool]:
        with durable.writable(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = durable.open_lock(self._path)
        try:
            yield _flock(handle, kind)
        finally:
            os.close(handle)


def _flock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind)
    except BlockingIOError:
        return False
    return True
