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
from copysight.vectors.self_join import neighbours

Float = npt.NDArray[np.float32]

NEIGHBOURS = 30
"""Nearest pictures of each picture that are looked at. Groups may be larger: see `closing`."""
EFFORT: Effort = "low"
"""Whole pictures are compared with whole pictures."""
LIKELY = 0.9
"""Probability, from the score alone, from which on a pair is always verified."""
DOUBTFUL = 0.004
"""Probability, from the score alone and if half of the queries have a copy, below which no pair is verified. It is
twice that of a search, because an archive has far more pairs."""
BUDGET = 30_000
"""Doubtful pairs that are verified, the best by score. Their number grows with the square of the archive: of 1,800
photographs and edits, 1 in 90,000 pairs of strangers has a score of 0.1, and 10 % of the verified copies have less."""
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

    Pairs that are likely copies by their scores are all found. Of the doubtful ones, which grow with the square of the
    number of pictures, the best are taken, ``BUDGET`` at most. ``progress`` is called with the number of pictures
    that are searched, and of all.
    """
    joins = scope.joins()
    total, searched = sum(len(queries) for queries, _ in joins), 0
    found = _Best(_least_score(scorer.calibration), _score_of(scorer.calibration, LIKELY), BUDGET)
    for queries, database in joins:
        before, rows = searched, _rows(scorer.vectors, database)
        for block in neighbours(_rows(scorer.vectors, queries), rows, NEIGHBOURS + (queries is database)):
            first = searched - before
            own = np.repeat(queries[first : first + len(block.ids)], block.ids.shape[1])
            other, similarities = database[block.ids.ravel()], block.similarities.ravel()
            scores = similarities - np.minimum(scorer.offsets[own], scorer.offsets[other])
            kept = (scores >= found.least) & (own != other) & (block.ids.ravel() >= 0)
            # One number for each pair: two columns of a million pictures would be sorted ten times as slowly.
            keys = np.minimum(own, other) * len(scorer.vectors) + np.maximum(own, other)
            found.add(keys[kept], scores[kept])
            searched += len(block.ids)
            progress(searched, total)
    found.shrink()
    pairs = np.stack(np.divmod(found.keys, max(len(scorer.vectors), 1)), axis=1)
    return Candidates(pairs, found.scores)


class _Best:
    """The pairs found so far, each once: all likely ones, and of the doubtful ones at least the best ``budget``."""

    def __init__(self, least: float, likely: float, budget: int) -> None:
        self.keys, self.scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
        self.least, self._likely, self._budget = least, likely, budget
        self._waiting: list[tuple[Ints, Float]] = []
        self._count = 0

    def add(self, keys: Ints, scores: Float) -> None:
        """Add pairs whose scores are at least ``least``; now and then the worst are left out, so memory stays flat."""
        self._waiting.append((keys, scores))
        self._count += len(keys)
        if self._count > 2 * len(self.keys) + 4 * self._budget:
            self.shrink()

    def shrink(self) -> None:
        """Leave out doubtful pairs beyond the budget; ``least`` grows to the worst score that is kept."""
        keys = np.concatenate([self.keys, *(keys for keys, _ in self._waiting)])
        scores = np.concatenate([self.scores, *(scores for _, scores in self._waiting)])
        self.keys, first = np.unique(keys, return_index=True)
        self.scores = scores[first]
        self._waiting, self._count = [], 0
        doubtful = np.flatnonzero(self.scores < self._likely)
        if len(doubtful) <= self._budget:
            return
        order = np.argpartition(-self.scores[doubtful], self._budget)
        worst = doubtful[order[self._budget :]]
        self.least = float(self.scores[doubtful[order[: self._budget]]].min(initial=self._likely))
        self.keys, self.scores = np.delete(self.keys, worst), np.delete(self.scores, worst)


def _rows(vectors: Float, rows: Ints) -> Float:
    return vectors if len(rows) == len(vectors) else vectors[rows]


def _least_score(calibration: Calibration) -> float:
    """The score below which a pair is not verified: that of DOUBTFUL, if half of the queries have a copy."""
    return _score_of(calibration, _probability(evidence.odds_of(DOUBTFUL) + evidence.prior(calibration.share)))


def _score_of(calibration: Calibration, probability: float) -> float:
    """The least score with this probability."""
    low, high = -2.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float(calibration.probability(middle)) < probability else (low, middle)
    return high


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
