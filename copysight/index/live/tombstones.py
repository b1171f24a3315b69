"""Rows of a generation that no longer count: deleted since, or replaced and now in the delta."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tombstones:
    """``rows (T,)`` hidden, ascending; ``visible`` is the bitmap of the others (least bit first). Never changes."""

    rows: npt.NDArray[np.int64]
    visible: npt.NDArray[np.uint8]

    @classmethod
    def none(cls, count: int) -> "Tombstones":
        """All of ``count`` rows are visible."""
        return cls(np.empty(0, np.int64), np.full((count + 7) // 8, 255, np.uint8))

    def after(self, rows: npt.NDArray[np.int64]) -> "Tombstones":
        """With further rows hidden."""
        if not len(rows):
            return self
        visible = self.visible.copy()
        np.bitwise_and.at(visible, rows >> 3, ~(1 << (rows & 7)).astype(np.uint8))
        return Tombstones(np.union1d(self.rows, rows), visible)

    def among(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """``mask (N,)`` without the hidden rows, as a new array."""
        mask = mask.copy()
        mask[self.rows] = False
        return mask
