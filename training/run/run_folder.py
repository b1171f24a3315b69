"""Keep the folder of a run for one training at a time, and remove what a kill left in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from copysight.errors import InvalidArgument
from copysight.system.durable import open_lock

LOCK = ".lock"


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Hold the folder until the block, or the process, has ended. Raises ``InvalidArgument`` if another one holds it.

    A killed training leaves temporary files of the checkpoint that it was writing; they are removed.
    """
    handle = open_lock(out / LOCK)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidArgument(f"another training runs in {out}; stop it, or choose another --out") from error
        for left in out.rglob(".checkpoint*.tmp"):
            left.unlink()
        yield
    finally:
        os.close(handle)
