"""An order of pictures in which neighbours stand together, so that a batch holds some that are hard to tell apart."""

import numpy as np
import numpy.typing as npt

from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
SAME = 0.75
"""From this cosine on, pictures do not stand together: they may show the same, and would be wrong negatives."""
NEIGHBOURS = 32
"""Neighbours of a picture among which its group is looked for."""


def neighbour_order(embeddings: Float, size: int, rng: np.random.Generator) -> Ints:
    """All rows of L2-normalised ``embeddings`` (N, D), each once, in groups of ``size`` in random order.

    A group is a random row and its nearest neighbours that are in no group yet. Rows that find too few fill groups of
    their own, at random.
    """
    near = exact(embeddings, embeddings, NEIGHBOURS + 1)
    same = [set(ids[found >= SAME].tolist()) for ids, found in zip(near.ids, near.similarities, strict=True)]
    free = np.ones(len(embeddings), np.bool_)
    groups: list[list[int]] = []
    rest: list[list[int]] = []
    for row in rng.permutation(len(embeddings)).tolist():
        if free[row]:
            group = [row]
            for other in near.ids[row].tolist():
                if len(group) < size and free[other] and same[other].isdisjoint(group) and other not in same[row]:
                    group.append(other)
            (groups if len(group) == size else rest).append(group)
            free[group] = False
    left = np.array([row for group in rest for row in group], np.int64)
    whole = len(left) // size * size
    mixed = np.concatenate([np.array(groups, np.int64).reshape(-1, size), left[:whole].reshape(-1, size)])
    return np.concatenate([rng.permutation(mixed).reshape(-1), left[whole:]])
