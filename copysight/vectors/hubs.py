"""Choose the vectors that are near to most others."""

import numpy as np
import numpy.typing as npt

from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
NEAREST = 3
"""Number of nearest neighbours that count; ten choose worse, see docs/notes/copy-detection.md."""


def hubs(embeddings: Float, count: int) -> npt.NDArray[np.int64]:
    """Rows (at most ``count``, in order) of ``embeddings`` (N, D) that are among the nearest of most other rows.

    Few pictures are near to many others in high dimensions (Radovanovic et al. 2010, "Hubs in space"), and these are
    the ones that decide about a query. All rows are returned if there are no more than ``count``.
    """
    if len(embeddings) <= count:
        return np.arange(len(embeddings))
    near = exact(embeddings, embeddings, NEAREST + 1).ids
    others = near != np.arange(len(near))[:, None]
    others[others.all(axis=1), -1] = False  # equal rows have filled the places before the row itself
    times = np.bincount(near[others], minlength=len(embeddings))
    return np.sort(np.argsort(-times, kind="stable")[:count])
