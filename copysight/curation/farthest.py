"""Select a diverse subset: farthest-point selection (Gonzalez 1985), which is greedy k-center."""

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def select(vectors: Float, count: int) -> Ints:
    """Rows (count,) of L2-normalised ``vectors`` (N, D), in the order in which they were selected.

    The first is nearest to the mean; each next one is the row whose nearest selected row is farthest. The first rows of
    a selection are therefore the selection of a smaller number. The largest distance of a row to the selection is at
    most twice that of the best one. Ties go to the smaller row. Raises ``InvalidArgument`` unless 1 <= count <= N.
    """
    if not 1 <= count <= len(vectors):
        raise InvalidArgument(f"got a count of {count:,}; it must be within 1 and the {len(vectors):,} pictures")
    chosen = np.empty(count, np.int64)
    chosen[0] = int(np.argmax(vectors @ vectors.mean(axis=0)))
    nearest = vectors @ vectors[chosen[0]]
    for place in range(1, count):
        nearest[chosen[place - 1]] = np.inf  # also a row with an equal one is selected once
        chosen[place] = int(np.argmin(nearest))
        np.maximum(nearest, vectors @ vectors[chosen[place]], out=nearest)
    return chosen
