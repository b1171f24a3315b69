"""The delta: vectors added since the live generation was published. They are searched exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from copysight.catalog import Vectors

MIN_CAPACITY = 256


class DeltaStorage:
    """Growing arrays shared by successive deltas. Rows are only appended, so older deltas stay valid."""

    def __init__(self, dimension: int, capacity: int = MIN_CAPACITY) -> None:
        self.ids = np.empty(capacity, np.int64)
        self.vectors = np.empty((capacity, dimension), np.float32)
        self.codes = np.empty(capacity, np.int32)
        self.collections: dict[str, int] = {}
        self.size = 0

    def with_capacity(self, size: int, extra: int) -> "DeltaStorage":
        """Storage with the first ``size`` rows of this one and space for ``extra`` more: itself, or a larger copy."""
        if self.size == size and size + extra <= len(self.ids):
            return self
        larger = DeltaStorage(self.vectors.shape[1], max(MIN_CAPACITY, 2 * (size + extra)))
        for name in ("ids", "vectors", "codes"):
            getattr(larger, name)[:size] = getattr(self, name)[:size]
        larger.collections = dict(self.collections)
        larger.size = size
        return larger

    def append(self, new: Vectors) -> None:
        """Append rows."""
        part = slice(self.size, self.size + len(new.ids))
        self.ids[part], self.vectors[part] = new.ids, new.vectors
        self.codes[part] = [self.collections.setdefault(name, len(self.collections)) for name in new.collections]
        self.size += len(new.ids)


@dataclass(frozen=True)
class Delta:
    """The first ``size`` rows of ``storage``; only rows in ``alive (size,)`` are valid. Immutable."""

    storage: DeltaStorage
    size: int
    alive: npt.NDArray[np.bool_]
    collections: Mapping[str, int]

    @classmethod
    def empty(cls, dimension: int) -> "Delta":
        """A delta without rows."""
        return cls(DeltaStorage(dimension), 0, np.empty(0, np.bool_), {})

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Item ids ``(size,)``. A replaced item has several rows, of which only the last is alive."""
        return self.storage.ids[: self.size]

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """Vectors ``(size, D)``."""
        return self.storage.vectors[: self.size]

    @property
    def count(self) -> int:
        """Number of valid rows."""
        return int(np.count_nonzero(self.alive))

    def of_collection(self, name: str) -> npt.NDArray[np.bool_]:
        """Mask ``(size,)`` of the rows of a collection."""
        return np.equal(self.storage.codes[: self.size], self.collections.get(name, -1))

    def row(self, id: int) -> int | None:  # noqa: A002 - the API's word
        """The valid row of an item, or None."""
        found = np.flatnonzero((self.ids == id) & self.alive)
        return int(found[0]) if len(found) else None

    def after(self, placed: Vectors, deleted: npt.NDArray[np.int64]) -> "Delta":
        """The delta after more changes. Only one thread at a time may call this on deltas that share a storage."""
        storage = self.storage.with_capacity(self.size, len(placed.ids))
        invalid = np.concatenate([placed.ids, deleted])
        alive = self.alive & ~np.isin(self.ids, invalid) if len(invalid) else self.alive
        if len(placed.ids):
            storage.append(placed)
        alive = np.concatenate([alive, np.ones(len(placed.ids), np.bool_)])
        return Delta(storage, storage.size, alive, dict(storage.collections))

    def without(self, ids: npt.NDArray[np.int64]) -> "Delta":
        """The delta as if the items ``ids`` were deleted. Any thread may call this."""
        return replace(self, alive=self.alive & ~np.isin(self.ids, ids))
