"""Representatives of a collection: pictures that most others resemble, none of them twice, for score normalisation."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from copysight.vectors.hubs import hubs
from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
SAME = 0.8
"""From this cosine on two pictures are taken for one; see docs/notes/copy-detection.md."""
LARGEST, CANDIDATES = 5_000, 20_000
"""Number of representatives, which are searched with every query; number of pictures that they are chosen from."""
NEIGHBOURS = 20
"""Neighbours that are compared at a time to leave out pictures that are held more than once."""


@dataclass(frozen=True)
class Representatives:
    """``vectors`` (R, D), L2-normalised, and their ``rows`` (R,) in the collection, ascending; none once it is open."""

    vectors: Float
    rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def places(self, rows: Ints) -> Ints:
        """Which of the representatives are among ``rows`` of the collection."""
        return np.flatnonzero(np.isin(self.rows, rows))


def choose(vectors: Float, seed: int = 0) -> Representatives:
    """Representatives of a collection of L2-normalised ``vectors`` (N, D); of pictures that are the same, one."""
    rows = np.arange(len(vectors))
    if len(rows) > CANDIDATES:
        rows = np.sort(np.random.default_rng(seed).choice(rows, CANDIDATES, replace=False))
    rows = _each_once(vectors, rows)
    chosen = rows[hubs(np.asarray(vectors[rows]), LARGEST)]
    return Representatives(np.asarray(vectors[chosen], np.float32), chosen)


def _each_once(vectors: Float, rows: Ints) -> Ints:
    """``rows`` without those that are the same as an earlier one that stays."""
    while True:
        near = exact(vectors[rows], vectors[rows], NEIGHBOURS + 1)
        stays = np.ones(len(rows), np.bool_)
        for place in np.flatnonzero((near.similarities >= SAME).sum(axis=1) > 1):
            if stays[place]:
                same = near.ids[place, near.similarities[place] >= SAME]
                stays[same[same > place]] = False
        if stays.all():
            return rows
        rows = rows[stays]
