"""Mark numbers as in use by a running process. The system removes the marks when the process ends, even by a kill."""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from copysight.system import durable

FLOCK = struct.Struct("hhqqi4x")
"""``struct flock`` of Linux on 64 bits: type, whence, start, length, process."""
UNSUPPORTED = {errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


class Held:
    """Marks are locks on single bytes of one empty file. Each belongs to an open descriptor (fcntl(2), OFD locks)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self, number: int) -> Iterator[None]:
        """Mark ``number`` until the block, or the process, has ended. Raises ``NotWritable``."""
        handle = durable.open_lock(self._path)
        try:
            with suppress(BlockingIOError):  # another process holds the same mark; that is for other locks to prevent
                fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _lock(number))
            yield
        finally:
            os.close(handle)

    def is_held(self, number: int) -> bool:
        """Whether a process holds the mark. True if the file system cannot tell."""
        try:
            handle = os.open(self._path, os.O_RDONLY)
        except OSError:  # never marked, or the file may not be read
            return False
        try:
            answer = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _lock(number))
        except OSError as error:
            return error.errno in UNSUPPORTED
        finally:
            os.close(handle)
        return int(FLOCK.unpack(answer)[0]) != fcntl.F_UNLCK


def _lock(number: int) -> bytes:
    return FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
