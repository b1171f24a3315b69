"""Find candidate pairs by their scores: a self-join over the vectors of all pictures."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.duplicates.scope import Ints, Scope
from copysight.scoring import evidence
from copysight.scoring.calibration import Calibration, Line
from copysight.scoring.judge import Judge
from copysight.scoring.query_views import Effort
from copysight.scoring.verified import HOPELESS
from copysight.vectors.self_join import neighbours

Float = npt.NDArray[np.float32]

NEIGHBOURS = 30
"""Nearest pictures of each picture that are looked at. Groups may be larger: see `closing`."""
EFFORT: Effort = "low"
"""Whole pictures are compared with whole pictures."""
ROWS = 65536
"""Pictures or pairs at a time."""


@dataclass(frozen=True)
class Candidates:
    """Candidate pairs (P, 2) of rows, the smaller first, sorted, and their ``scores`` (P,)."""

    pairs: Ints
    scores: Float


@dataclass(frozen=True)
class Scorer:
    """Scores of pairs of ``vectors`` (N, D), which are L2-normalised; ``offsets`` (N,) normalise the scores.

    ``calibration`` converts scores to probabilities; ``line`` corrects those of verified pairs.
    """

    vectors: Float
    offsets: Float
    calibration: Calibration
    line: Line

    @classmethod
    def of(cls, vectors: Float, judge: Judge) -> "Scorer | None":
        """The scorer of a judge; None if it has no calibration."""
        if EFFORT not in judge.calibrations:
            return None
        blocks = [judge.offsets(vectors[at : at + ROWS]) for at in range(0, len(vectors), ROWS)]
        offsets = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
        return cls(vectors, offsets, judge.calibrations[EFFORT], judge.verified.line)

    def scores(self, pairs: Ints) -> Float:
        """Scores (P,) of pairs (P, 2): the better of both directions, as either picture may be the query."""
        similarities = np.empty(len(pairs), np.float32)
        for start in range(0, len(pairs), ROWS):
            one, other = pairs[start : start + ROWS].T
            similarities[start : start + ROWS] = np.einsum("pd,pd->p", self.vectors[one], self.vectors[other])
        return np.asarray(similarities - self.offsets[pairs].min(axis=1, initial=np.inf), np.float32)

    def probability(self, score: float) -> float:
        """Probability of a pair from its score alone."""
        return float(self.calibration.probability(score))


def find_candidates(scorer: Scorer, scope: Scope, progress: Callable[[int, int], None]) -> Candidates:
    """Pairs whose score leaves hope: among the nearest of either picture, and probable enough to be verified.

    ``progress`` is called with the number of pictures that are searched, and of all.
    """
    least = _least_score(scorer.calibration)
    joins = scope.joins()
    total, searched, found = sum(len(queries) for queries, _ in joins), 0, [np.zeros(0, np.int64)]
    for queries, database in joins:
        before, rows = searched, _rows(scorer.vectors, database)
        for block in neighbours(_rows(scorer.vectors, queries), rows, NEIGHBOURS + (queries is database)):
            first = searched - before
            own = np.repeat(queries[first : first + len(block.ids)], block.ids.shape[1])
            other, similarities = database[block.ids.ravel()], block.similarities.ravel()
            scores = similarities - np.minimum(scorer.offsets[own], scorer.offsets[other])
            kept = (scores >= least) & (own != other) & (block.ids.ravel() >= 0)
            # One number for each pair: two columns of a million pictures would be sorted ten times as slowly.
            pairs = np.minimum(own, other) * len(scorer.vectors) + np.maximum(own, other)
            found.append(np.unique(pairs[kept]))
            searched += len(block.ids)
            progress(searched, total)
    keys = np.unique(np.concatenate(found))
    pairs = np.stack(np.divmod(keys, max(len(scorer.vectors), 1)), axis=1)
    return Candidates(pairs, scorer.scores(pairs))


def _rows(vectors: Float, rows: Ints) -> Float:
    return vectors if len(rows) == len(vectors) else vectors[rows]


def _least_score(calibration: Calibration) -> float:
    """The score below which a pair is not verified: its odds, if half of the queries have a copy, are hopeless."""
    odds = evidence.odds_of(HOPELESS) + evidence.prior(calibration.share)
    low, high = -2.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        p = float(calibration.probability(middle))
        low, high = (middle, high) if math.log(max(p, 1e-12) / max(1 - p, 1e-12)) < odds else (low, middle)
    return high
