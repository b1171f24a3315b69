"""A lock that is a file (``flock``). The system frees it when the process ends, even by a kill."""

import fcntl
import os
from pathlib import Path

from copysight.system import durable


class FileLock:
    """One holder of the lock ``path``. Each holder has a descriptor of its own, so it also works between threads."""

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        self._path, self._mode = path, mode
        self._handle: int | None = None

    def acquire(self, wait: bool = False) -> bool:
        """Take the lock; ``wait`` until it is free. Returns whether this holder has it now. Raises ``NotWritable``."""
        if self._handle is not None:
            return True
        handle = durable.open_lock(self._path, self._mode)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return True

    def is_held(self) -> bool:
        """Whether this holder has it."""
        return self._handle is not None

    def release(self) -> None:
        """Give the lock back. Without effect if it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
