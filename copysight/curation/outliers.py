"""Outlier scores: how far a picture is from its nearest others (Ramaswamy et al. 2000, distance to neighbours)."""

import numpy as np
import numpy.typing as npt

from copysight.vectors.self_join import neighbours

Float = npt.NDArray[np.float32]

NEIGHBOURS = 10


def scores(vectors: Float, k: int = NEIGHBOURS) -> Float:
    """One minus the mean cosine to the k nearest other rows: (N,) from L2-normalised ``vectors`` (N, D); 0 to 2.

    A row that has no others has the score 1.
    """
    found = [np.zeros(0, np.float32)]
    first = 0
    for block in neighbours(vectors, vectors, k + 1):
        own = block.ids == np.arange(first, first + len(block.ids))[:, None]
        # Of equal rows, the own one may be absent: then the first of them stands for it.
        own[~own.any(axis=1), 0] = True
        others = np.where(own | (block.ids < 0), np.nan, block.similarities)
        counts = (~np.isnan(others)).sum(axis=1)
        found.append(np.where(counts > 0, 1 - np.nansum(others, axis=1) / np.maximum(counts, 1), 1).astype(np.float32))
        first += len(block.ids)
    return np.concatenate(found)
