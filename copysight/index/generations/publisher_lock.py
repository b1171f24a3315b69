"""Publishers exclude each other; the lock goes with its process, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from copysight.errors import PublisherBusy
from copysight.index.generations.layout import Layout


@contextmanager
def publishing(layout: Layout, wait: bool = False) -> Iterator[None]:
    """Be the only publisher of an index. If there is another: ``wait`` for it, or raise ``PublisherBusy`` at once."""
    handle = os.open(layout.publisher, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        os.close(handle)
        raise PublisherBusy(
            f"another process publishes, restores or backs up {layout.root}; wait until it is done"
        ) from error
    try:
        yield
    finally:
        os.close(handle)
