"""Score normalisation: subtract what a query has in common with unrelated pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from copysight.vectors.knn import exact
from copysight.vectors.representatives import SAME, Representatives

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
NEAREST, WEIGHT = 5, 0.9
"""Chosen on kept-out pictures, see docs/notes/copy-detection.md; SSCD has others for each of its networks."""
MOST_EXCLUDED = 20
"""Representatives that may be the answer and do not count, at most, so that a search stays small."""
ABSENT = np.float32(-1)


def offsets(queries: Float, background: Float, weight: float, first: int, last: int) -> Float:
    """What is subtracted from the similarities of each query: (Q,) from ``queries`` (Q, D), L2-normalised.

    It is ``weight`` times the mean similarity to the query's nearest neighbours ``first`` to ``last`` (counted from 0,
    both included) in ``background`` (M, D): a query that is similar to many unrelated pictures needs a more similar
    match (Pizzi et al. 2022, section 5.3). It is 0 if the background is empty.
    """
    return _weighted_mean(exact(queries, background, last + 1).similarities[:, first:], weight)


@dataclass(frozen=True)
class ScoreNormalisation:
    """Subtract ``weight`` times a query's mean similarity to its ``nearest`` neighbours in ``background`` (M, D).

    The background has L2-normalised rows; it may be empty, which leaves similarities as they are. Representatives of
    the ``collection`` that is searched count like its rows, so that a match must stand out from pictures of the same
    kind. Those that may be the answer do not count: all that are the same as the query; the nearest other one; and
    what is as similar to that as the query is, for it may be a further copy of it.
    """

    background: Float
    nearest: int = NEAREST
    weight: float = WEIGHT
    collection: Representatives | None = None

    def within(self, collection: Representatives) -> Self:
        """The normalisation of searches in a collection; it stays as it is without a background."""
        return replace(self, collection=collection) if len(self.background) and len(collection.vectors) else self

    def offsets(self, queries: Float, without: Sequence[Ints] = ()) -> Float:
        """What is subtracted from the similarities of each query: (Q,) from ``queries`` (Q, D), L2-normalised.

        ``without``: for each query, rows of the collection that do not count, as if it did not hold them.
        """
        near = exact(queries, self.background, self.nearest).similarities
        if self.collection is not None:
            others = self._others(queries, self.collection, without)
            near = -np.sort(-np.concatenate([near, others], axis=1), axis=1)[:, : near.shape[1]]
        return _weighted_mean(near, self.weight)

    def scores(self, similarities: Float, queries: Float) -> Float:
        """Convert similarities (Q, k) of ``queries`` (Q, D) to scores (Q, k) that can be compared between queries."""
        return np.asarray(similarities - self.offsets(queries)[:, None], np.float32)

    def _others(self, queries: Float, collection: Representatives, without: Sequence[Ints]) -> Float:
        """Similarities (Q, K) to representatives that cannot be the answer; -1 where there is none."""
        near = exact(queries, collection.vectors, self.nearest + MOST_EXCLUDED)
        similarities = np.where(near.similarities < SAME, near.similarities, ABSENT)
        for query, rows in enumerate(without):
            similarities[query, np.isin(near.ids[query], collection.places(rows))] = ABSENT
        for ids, found in zip(near.ids, similarities, strict=True):
            best = found.argmax()
            likeness = collection.vectors[ids] @ collection.vectors[ids[best]]
            found[likeness >= found[best]] = ABSENT
        return similarities


def _weighted_mean(near: Float, weight: float) -> Float:
    if near.shape[1] == 0:
        return np.zeros(len(near), np.float32)
    return np.asarray(np.float32(weight) * near.mean(axis=1), np.float32)
