"""Score normalisation: subtract what a query has in common with unrelated pictures."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
NEAREST, WEIGHT = 5, 0.9
"""Chosen on kept-out pictures, see docs/notes/copy-detection.md; SSCD has others for each of its networks."""


def offsets(queries: Float, background: Float, weight: float, first: int, last: int) -> Float:
    """What is subtracted from the similarities of each query: (Q,) from ``queries`` (Q, D), L2-normalised.

    It is ``weight`` times the mean similarity to the query's nearest neighbours ``first`` to ``last`` (counted from 0,
    both included) in ``background`` (M, D): a query that is similar to many unrelated pictures needs a more similar
    match (Pizzi et al. 2022, section 5.3). It is 0 if the background is empty.
    """
    near = exact(queries, background, last + 1).similarities[:, first:]
    if near.shape[1] == 0:
        return np.zeros(len(queries), np.float32)
    return np.asarray(np.float32(weight) * near.mean(axis=1), np.float32)


@dataclass(frozen=True)
class ScoreNormalisation:
    """Subtract ``weight`` times a query's mean similarity to its ``nearest`` neighbours in ``background`` (M, D).

    The background has L2-normalised rows; it may be empty, which leaves similarities as they are.
    """

    background: Float
    nearest: int = NEAREST
    weight: float = WEIGHT

    def offsets(self, queries: Float) -> Float:
        """What is subtracted from the similarities of each query: (Q,) from ``queries`` (Q, D), L2-normalised."""
        return offsets(queries, self.background, self.weight, 0, self.nearest - 1)

    def scores(self, similarities: Float, queries: Float) -> Float:
        """Convert similarities (Q, k) of ``queries`` (Q, D) to scores (Q, k) that can be compared between queries."""
        return np.asarray(similarities - self.offsets(queries)[:, None], np.float32)
