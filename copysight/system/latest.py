"""Keep what was used latest in memory, up to a number of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Values by name; the one that was used longest ago goes first. Thread-safe. ``bytes``: what the kept ones take."""

    def __init__(self, limit: int, size: Callable[[T], int], largest: int | None = None) -> None:
        """``limit``: bytes; 0 keeps nothing. ``size``: bytes of a value; larger ones than ``largest`` are not kept."""
        self._limit, self._largest = limit, limit if largest is None else largest
        self._size = size
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, name: str) -> T | None:
        """The value, if it is kept."""
        with self._lock:
            if (found := self._kept.get(name)) is not None:
                self._kept.move_to_end(name)
            return found

    def put(self, name: str, value: T) -> None:
        """Keep a value, instead of an older one of this name."""
        if self._size(value) > self._largest:
            return
        with self._lock:
            self._drop(name)
            self._kept[name] = value
            self.bytes += self._size(value)
            while self.bytes > self._limit:
                self.bytes -= self._size(self._kept.popitem(last=False)[1])

    def drop(self, name: str) -> None:
        """Forget a value."""
        with self._lock:
            self._drop(name)

    def _drop(self, name: str) -> None:
        if (old := self._kept.pop(name, None)) is not None:
            self.bytes -= self._size(old)
