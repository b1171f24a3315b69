"""The lock that allows one publisher at a time. The system releases it when the process ends, even by a kill."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from copysight.errors import PublisherBusy
from copysight.index.generations.layout import Layout
from copysight.system import durable


@contextmanager
def publishing(layout: Layout, wait: bool = False) -> Iterator[None]:
    """Hold the publisher's lock of an index. If it is taken, ``wait`` for it, or raise ``PublisherBusy`` at once.

    Raises ``NotWritable``.
    """
    handle = durable.open_lock(layout.publisher)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        os.close(handle)
        raise PublisherBusy(
            f"another process is publishing, restoring or backing up {layout.root}; wait until it has finished"
        ) from error
    try:
        yield
    finally:
        os.close(handle)
