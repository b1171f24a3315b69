"""Find near-duplicates of some pictures of a collection: copies that it holds already, verified by local features.

A calibration must not count them as wrong answers. The similarity of embeddings alone cannot tell them from pictures
that merely resemble each other, like pages of one form; local features can.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.matching.verification import Prepared
from copysight.scoring import evidence, verified
from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
IsOpen = Callable[[Float, Float], Mask]
NEAREST = 20
"""Neighbours of a picture that are verified at most. If all are near-duplicates, so is what is as similar as they."""
MAX_REFUTED = 2
"""Neighbours in a row that are no near-duplicates and end the search for more."""
SAME_COSINE = 0.9999
"""From this cosine on, pictures without keypoints, which cannot be verified, are near-duplicates."""


@dataclass(frozen=True)
class Share:
    """Of ``sampled`` pictures of a collection, ``found`` have a near-duplicate in it."""

    sampled: int
    found: int

    def estimate(self, count: int) -> int:
        """About how many of ``count`` pictures have a near-duplicate."""
        return round(count * self.found / self.sampled) if self.sampled else 0


def find(
    rows: Ints,
    vectors: Float,
    picture: Callable[[int], Prepared | None],
    is_open: IsOpen | None = None,
) -> list[Ints]:
    """For each of ``rows`` (M,) of ``vectors`` (N, D): the rows of its near-duplicates, without itself.

    ``picture`` returns the prepared picture of a row, or None. ``is_open`` says, for the vectors (M, D) and their
    similarities (M, K) to their neighbours, which pairs may be near-duplicates (M, K); by default all are.
    """
    near = exact(vectors[rows], vectors, NEAREST + 1)
    is_candidate = np.ones(near.ids.shape, np.bool_) if is_open is None else is_open(vectors[rows], near.similarities)
    is_candidate &= near.ids != rows[:, None]

    def one(number: int) -> Ints:
        places = np.flatnonzero(is_candidate[number])
        found = _verified(int(rows[number]), near.ids[number, places], near.similarities[number, places], picture)
        if len(found) < NEAREST:
            return found
        least = float(near.similarities[number, places].min())
        return np.setdiff1d(np.flatnonzero(vectors @ vectors[rows[number]] >= least), rows[number])

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, range(len(rows))))


def share_of(found: Sequence[Ints]) -> Share:
    """How many of the pictures have a near-duplicate."""
    return Share(len(found), sum(len(some) > 0 for some in found))


def _verified(row: int, others: Ints, similarities: Float, picture: Callable[[int], Prepared | None]) -> Ints:
    mine = picture(row) if len(others) else None
    found, refuted = [], 0
    for other, similarity in zip(others.tolist(), similarities.tolist(), strict=True):
        if _is_near_duplicate(mine, picture(other), similarity):
            found.append(other)
            refuted = 0
        else:
            refuted += 1
        if refuted == MAX_REFUTED:
            break
    return np.array(found, np.int64)


def _is_near_duplicate(one: Prepared | None, other: Prepared | None, similarity: float) -> bool:
    if one is None or other is None or not min(len(one.features), len(other.features)):
        return similarity >= SAME_COSINE
    if one.features is other.features:  # of one file, stored under two keys
        return True
    # All neighbours may be copies, so none is a rival.
    return evidence.probability(verified.overlap_evidence(verified.check(one, other))) >= 0.5
