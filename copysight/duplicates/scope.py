"""Which pairs are of interest: all, those within some folders, or those between two."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Mode = Literal["all", "within", "between"]
Ints = npt.NDArray[np.int64]
OUTSIDE = -1


@dataclass(frozen=True)
class Scope:
    """``sides`` (N,): the folder that each picture belongs to, -1 for none, and which pairs of sides count.

    ``all``: all pictures have the side 0. ``within``: pairs of one side. ``between``: pairs of a picture of side 0,
    which is kept, and one of side 1.
    """

    mode: Mode
    sides: Ints

    @classmethod
    def everything(cls, count: int) -> "Scope":
        """All pairs of ``count`` pictures."""
        return cls("all", np.zeros(count, np.int64))

    def joins(self) -> list[tuple[Ints, Ints]]:
        """Rows of queries, and rows of the database to search for each of them: one entry for each search."""
        rows = [np.flatnonzero(self.sides == side) for side in range(int(self.sides.max(initial=-1)) + 1)]
        if self.mode == "between":
            return [(rows[0], rows[1]), (rows[1], rows[0])] if len(rows) == 2 else []
        return [(one, one) for one in rows if len(one)]

    def allows(self, one: int, other: int) -> bool:
        """Whether the pair of these pictures counts."""
        first, second = int(self.sides[one]), int(self.sides[other])
        if OUTSIDE in (first, second):
            return False
        return first != second if self.mode == "between" else first == second
