"""The PDQ hashes of all lists, in memory: searched exactly, and read again when the catalog says that they changed."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from copysight.blobs import Blobs
from copysight.catalog.hashes.hashes import Hashes, Listed
from copysight.errors import PictureError
from copysight.matching import pdq
from copysight.matching.pdq import Words
from service.hma.signals import PDQ

log = logging.getLogger("copysight.hma")
SIGNALS_FROM = 2**52
"""Contents without a picture have ids from here on, so that they differ from those of items; JSON keeps them exact."""
BLOCK = 64
"""Hashes that are computed before they are stored: what a kill loses."""


@dataclass(frozen=True)
class Content:
    """A content of a ``list``: the item of this id, or from ``SIGNALS_FROM`` on a hash without a picture.

    ``off``: it is disabled as a hash; items are disabled by their entry.
    """

    id: int
    list: str
    value: str
    off: bool = False


@dataclass(frozen=True)
class _Read:
    stamp: str
    contents: Sequence[Content]
    words: Words


class PdqIndex:
    """The hashes of lists. Thread-safe; ``hashed`` computes that of a file.

    The first search computes the hashes of pictures that were put on lists otherwise, and stores them.
    """

    def __init__(self, hashes: Hashes, blobs: Blobs, hashed: Callable[[bytes], str]) -> None:
        self._hashes, self._blobs, self._hashed = hashes, blobs, hashed
        self._lock = threading.Lock()
        self._read = _Read("", (), np.empty((0, 4), np.uint64))

    def near(self, value: str, lists: Iterable[str]) -> list[tuple[Content, int]]:
        """The contents of some lists within ``pdq.CONFIDENT`` bits of a hash, with the distance, nearest first."""
        read = self._current(list(lists))
        found = pdq.distances(value, read.words)
        rows = np.flatnonzero(found <= pdq.CONFIDENT)
        order = rows[np.argsort(found[rows], kind="stable")]
        return [(read.contents[row], int(found[row])) for row in order.tolist()]

    def size(self, lists: Iterable[str]) -> int:
        """The number of contents of some lists that have a hash."""
        return len(self._current(list(lists)).contents)

    def _current(self, lists: Sequence[str]) -> _Read:
        stamp = self._hashes.stamp(lists)
        if stamp != self._read.stamp:
            with self._lock:
                if stamp != self._read.stamp:
                    self._read = self._made(stamp, lists)
        return self._read

    def _made(self, stamp: str, lists: Sequence[str]) -> _Read:
        listed = self._hashes.on_lists(lists, PDQ)
        known = {one.sha256: one.value for one in listed if one.value is not None}
        known |= self._computed([one for one in listed if one.value is None])
        contents = [Content(one.item, one.list, known[one.sha256]) for one in listed if known.get(one.sha256)]
        signals = [one for one in self._hashes.signals(lists) if one.type == PDQ]
        contents += [Content(SIGNALS_FROM + one.id, one.list, one.value, one.disabled) for one in signals]
        return _Read(stamp, contents, pdq.words([one.value for one in contents]))

    def _computed(self, missing: Sequence[Listed]) -> dict[str, str]:
        todo = list({one.sha256: one for one in missing}.values())
        found: dict[str, str] = {}
        for start in range(0, len(todo), BLOCK):
            block = {one.sha256: self._of(one) for one in todo[start : start + BLOCK]}
            self._hashes.put(PDQ, block)
            found |= block
        return found

    def _of(self, one: Listed) -> str:
        """The hash of a stored picture; of its thumbnail if the original is not at hand."""
        data = self._blobs.original(one.sha256, one.source) or self._blobs.thumbnail(one.sha256)
        try:
            return "" if data is None else self._hashed(data)
        except PictureError as error:
            log.warning("no PDQ hash of %s: %s", one.sha256, error.message)
            return ""
