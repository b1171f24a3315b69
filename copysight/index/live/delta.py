"""The delta: what has been placed since the generation, searched exactly."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.catalog import Vectors

LEAST = 256


class Rows:
    """Growing storage behind deltas. Rows are only ever added, so older deltas never see a change."""

    def __init__(self, dimension: int, capacity: int = LEAST) -> None:
        self.ids = np.empty(capacity, np.int64)
        self.vectors = np.empty((capacity, dimension), np.float32)
        self.codes = np.empty(capacity, np.int32)
        self.collections: dict[str, int] = {}
        self.size = 0

    def holding(self, size: int, room: int) -> "Rows":
        """Storage whose first ``size`` rows are these, with room for more: itself, or a larger copy."""
        if self.size == size and size + room <= len(self.ids):
            return self
        larger = Rows(self.vectors.shape[1], max(LEAST, 2 * (size + room)))
        for name in ("ids", "vectors", "codes"):
            getattr(larger, name)[:size] = getattr(self, name)[:size]
        larger.collections = dict(self.collections)
        larger.size = size
        return larger

    def append(self, new: Vectors) -> None:
        """Add rows at the end."""
        part = slice(self.size, self.size + len(new.ids))
        self.ids[part], self.vectors[part] = new.ids, new.vectors
        self.codes[part] = [self.collections.setdefault(name, len(self.collections)) for name in new.collections]
        self.size += len(new.ids)


@dataclass(frozen=True)
class Delta:
    """The first ``size`` rows of a storage, of which ``alive (size,)`` count. Never changes."""

    storage: Rows
    size: int
    alive: npt.NDArray[np.bool_]
    collections: Mapping[str, int]

    @classmethod
    def empty(cls, dimension: int) -> "Delta":
        """Nothing yet."""
        return cls(Rows(dimension), 0, np.empty(0, np.bool_), {})

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Item ids ``(size,)``; one that was replaced stands more than once, and only its last row is alive."""
        return self.storage.ids[: self.size]

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """Vectors ``(size,D)``."""
        return self.storage.vectors[: self.size]

    @property
    def count(self) -> int:
        """Rows that count."""
        return int(np.count_nonzero(self.alive))

    def of_collection(self, name: str) -> npt.NDArray[np.bool_]:
        """Which rows ``(size,)`` are of a collection."""
        return np.equal(self.storage.codes[: self.size], self.collections.get(name, -1))

    def row(self, id: int) -> int | None:  # noqa: A002 - the API's word
        """The row that holds an item."""
        found = np.flatnonzero((self.ids == id) & self.alive)
        return int(found[0]) if len(found) else None

    def after(self, placed: Vectors, deleted: npt.NDArray[np.int64]) -> "Delta":
        """The delta after further changes. Only one thread at a time may call this on deltas of one storage."""
        storage = self.storage.holding(self.size, len(placed.ids))
        gone = np.concatenate([placed.ids, deleted])
        alive = self.alive & ~np.isin(self.ids, gone) if len(gone) else self.alive
        if len(placed.ids):
            storage.append(placed)
        alive = np.concatenate([alive, np.ones(len(placed.ids), np.bool_)])
        return Delta(storage, storage.size, alive, dict(storage.collections))
