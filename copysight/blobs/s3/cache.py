"""Keep the latest files in memory, up to a number of bytes."""

import threading
from collections import OrderedDict

LARGEST = 8
"""A file of more than this part (1/8) of the cache is not kept."""


class Cache:
    """Files by name; the one that was read longest ago goes first. Thread-safe.

    It is in memory so that a picture which another machine has deleted lies on no disk of this one.
    """

    def __init__(self, limit: int) -> None:
        """``limit``: bytes; 0: keep nothing."""
        self._limit = limit
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, name: str) -> bytes | None:
        """The contents, if they are kept."""
        with self._lock:
            if (found := self._kept.get(name)) is not None:
                self._kept.move_to_end(name)
            return found

    def put(self, name: str, data: bytes) -> None:
        """Keep a file that is not empty."""
        if not data or len(data) * LARGEST > self._limit:
            return
        with self._lock:
            self._drop(name)
            self._kept[name] = data
            self.bytes += len(data)
            while self.bytes > self._limit:
                self.bytes -= len(self._kept.popitem(last=False)[1])

    def drop(self, name: str) -> None:
        """Forget a file."""
        with self._lock:
            self._drop(name)

    def _drop(self, name: str) -> None:
        if (old := self._kept.pop(name, None)) is not None:
            self.bytes -= len(old)
