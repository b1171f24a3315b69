"""The lock that allows one publisher at a time. It ends with the process, even by a kill."""

from collections.abc import Iterator
from contextlib import contextmanager

from copysight.catalog.engines.engine import Lock
from copysight.errors import PublisherBusy
from copysight.index.generations.layout import Layout
from copysight.system.locks.file_lock import FileLock


@contextmanager
def publishing(layout: Layout, wait: bool = False, lock: Lock | None = None) -> Iterator[Lock]:
    """Hold the publisher's lock of an index. If it is taken, ``wait`` for it, or raise ``PublisherBusy`` at once.

    ``lock``: that of the catalog; None for a directory that has no catalog yet. Raises ``NotWritable``.
    """
    held: Lock = FileLock(layout.publisher) if lock is None else lock
    if not held.acquire(wait):
        held.release()
        raise PublisherBusy(
            f"another process is publishing, restoring or backing up {layout.root}; wait until it has finished"
        )
    try:
        yield held
    finally:
        held.release()
