"""Tombstones: rows of the generation that are no longer valid, because the item was deleted or replaced."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tombstones:
    """``rows (T,)`` with a tombstone, ascending; ``visible``: bitmap of the other rows, lowest bit first. Immutable."""

    rows: npt.NDArray[np.int64]
    visible: npt.NDArray[np.uint8]

    @classmethod
    def none(cls, count: int) -> "Tombstones":
        """No tombstones for ``count`` rows."""
        return cls(np.empty(0, np.int64), np.full((count + 7) // 8, 255, np.uint8))

    def after(self, rows: npt.NDArray[np.int64]) -> "Tombstones":
        """These tombstones and more ``rows``."""
        if not len(rows):
            return self
        visible = self.visible.copy()
        np.bitwise_and.at(visible, rows >> 3, ~(1 << (rows & 7)).astype(np.uint8))
        return Tombstones(np.union1d(self.rows, rows), visible)

    def exclude_from(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """A copy of ``mask (N,)`` without the rows that have a tombstone."""
        mask = mask.copy()
        mask[self.rows] = False
        return mask
