"""From similarity to a decision: score normalisation, calibrated probability, verdict."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from copysight.bundle import Bundle
from copysight.errors import InvalidArgument
from copysight.knn import exact

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Verdict = Literal["exact", "copy", "uncertain", "different"]

PRECISIONS = (0.90, 0.95, 0.99)
DECISIVE = 0.95
"""Precision at which an answer is called a copy; below probability 1 - .95 it is called different."""
RESAMPLES = 200
LEAST_SAMPLES = 20


@dataclass(frozen=True)
class Threshold:
    """The least score whose answers are right at least ``precision`` of the time, and its 95 % interval."""

    precision: float
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Probability that the top answer is a copy, as a function of its score: 1 / (1 + exp(-(slope s + intercept))).

    ``share`` is the assumed share of queries that have a copy in the collection; ``samples`` how many queries it was
    fitted on; ``source`` says where they came from: ``index`` or ``bundle``.
    """

    slope: float
    intercept: float
    share: float
    samples: int
    thresholds: tuple[Threshold, ...]
    source: str = "index"

    def probability(self, scores: npt.ArrayLike) -> Floats:
        """Scores of any shape to probabilities in 0..1; monotone."""
        return _sigmoid(self.slope * np.asarray(scores, np.float64) + self.intercept)

    def verdict(self, score: float, equal: bool = False) -> Verdict:
        """``exact`` for equal bytes or pixels, ``copy`` and ``different`` beyond the thresholds, else ``uncertain``."""
        if equal:
            return "exact"
        if score >= self.threshold(DECISIVE).score:
            return "copy"
        return "different" if float(self.probability(score)) <= 1 - DECISIVE else "uncertain"

    def threshold(self, precision: float) -> Threshold:
        """The stored threshold for one of 90, 95 and 99 % precision."""
        return next(threshold for threshold in self.thresholds if threshold.precision == precision)

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``calibration.json``."""
        return {
            "slope": self.slope,
            "intercept": self.intercept,
            "share": self.share,
            "samples": self.samples,
            "source": self.source,
            "thresholds": [vars(threshold) for threshold in self.thresholds],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calibration":
        """Read what ``to_json`` wrote."""
        thresholds = tuple(Threshold(**threshold) for threshold in data["thresholds"])
        names = ("slope", "intercept", "share", "samples", "source")
        return cls(**{name: data[name] for name in names}, thresholds=thresholds)


def offsets(queries: Float, background: Float, weight: float = 1.0, first: int = 0, last: int = 2) -> Float:
    """What score normalisation takes from every similarity of a query: (Q,) from queries (Q, D), background (M, D).

    ``weight`` times the mean similarity to the query's background neighbours number ``first`` to ``last`` (counted from
    0, both included): a query that resembles everything must resemble its match more (Pizzi et al. 2022, section 5.3).
    With an empty background nothing is taken.
    """
    near = exact(queries, background, last + 1).similarities[:, first:]
    if near.shape[1] == 0:
        return np.zeros(len(queries), np.float32)
    return np.asarray(np.float32(weight) * near.mean(axis=1), np.float32)


def normalise(
    similarities: Float, queries: Float, background: Float, weight: float = 1.0, first: int = 0, last: int = 2
) -> Float:
    """Similarities (Q, k) of queries (Q, D) to scores (Q, k) that can be compared between queries; see ``offsets``."""
    return np.asarray(similarities - offsets(queries, background, weight, first, last)[:, None], np.float32)


def fit(
    scores: npt.ArrayLike,
    right: npt.ArrayLike,
    has_copy: npt.ArrayLike,
    share: float = 0.5,
    seed: int = 0,
    source: str = "index",
) -> Calibration:
    """Fit a calibration to the top answers of Q queries.

    ``scores`` (Q,) of the top answers; ``right`` (Q,) whether the answer is the query's source; ``has_copy`` (Q,)
    whether the collection holds the source at all. Queries are weighted so that ``share`` of them have a copy. Logistic
    regression on the score (Platt 1999), thresholds from the weighted precision of the same answers, their interval
    from resampling the queries. Raises ``InvalidArgument`` for too few queries of either kind.
    """
    s, y, present = (np.asarray(values, kind) for values, kind in ((scores, float), (right, bool), (has_copy, bool)))
    if min(present.sum(), (~present).sum()) < LEAST_SAMPLES:
        raise InvalidArgument(
            f"got {present.sum()} queries with a copy and {(~present).sum()} without, a calibration needs at least "
            f"{LEAST_SAMPLES} of each; add pictures"
        )
    weights = np.where(present, share / present.sum(), (1 - share) / (~present).sum())
    slope, intercept = _logistic(s, y, weights)
    rng = np.random.default_rng(seed)
    draws = [_resampled(present, rng) for _ in range(RESAMPLES)]
    thresholds = []
    for precision in PRECISIONS:
        spread = [_threshold(s[rows], y[rows], weights[rows], precision) for rows in draws]
        low, high = (float(value) for value in np.quantile(spread, (0.025, 0.975)))
        thresholds.append(Threshold(precision, _threshold(s, y, weights, precision), low, high))
    return Calibration(slope, intercept, share, len(s), tuple(thresholds), source)


def _logistic(s: Floats, y: npt.NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Weighted maximum likelihood by Newton's method; Platt's targets keep the slope finite."""
    target = np.where(y, 1 - 1 / (y.sum() + 2), 1 / ((~y).sum() + 2))
    centre, scale = float(np.average(s, weights=weights)), float(s.std() or 1.0)
    x = np.stack([(s - centre) / scale, np.ones_like(s)], axis=1)
    beta = np.array([1.0, 0.0])
    w = weights * len(s)
    for _ in range(50):
        p = _sigmoid(x @ beta)
        gradient = x.T @ (w * (p - target)) + np.array([1e-3, 0.0]) * beta
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + np.diag([1e-3, 1e-6])
        step = np.linalg.solve(hessian, gradient)
        beta -= step.clip(-2, 2)
        if np.abs(step).max() < 1e-9:
            break
    slope = max(float(beta[0]), 1e-6) / scale
    return slope, float(beta[1]) - slope * centre


def _threshold(s: Floats, y: npt.NDArray[np.bool_], weights: Floats, precision: float) -> float:
    """Least score from which on, upwards, the weighted precision is at least ``precision``; above all if none is."""
    order = np.argsort(-s, kind="stable")
    good = np.cumsum(weights[order] * y[order])
    enough = np.flatnonzero(good / np.cumsum(weights[order]) >= precision)
    return float(s[order[enough[-1]]]) if len(enough) else math.nextafter(float(s.max()), math.inf)


def _resampled(present: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows drawn with replacement, as many of each kind as there are."""
    kinds = [np.flatnonzero(present), np.flatnonzero(~present)]
    return np.concatenate([rng.choice(rows, len(rows)) for rows in kinds])


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))


@dataclass(frozen=True)
class Judgement:
    """What is said of one answer. ``probability`` is ``None`` as long as there is no calibration."""

    similarity: float
    score: float
    probability: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Judge:
    """Similarities to judgements: normalisation by a ``background`` (M, D), which may be empty, and a calibration.

    Without a calibration nothing but equality is certain.
    """

    background: Float
    calibration: Calibration | None = None

    @classmethod
    def of(cls, bundle: Bundle, calibration: Mapping[str, Any] | None = None) -> "Judge":
        """With a bundle's background, and ``calibration`` as JSON or else the bundle's own."""
        found = calibration or bundle.calibration
        return cls(bundle.background_vectors(), Calibration.from_json(found) if found else None)

    def offsets(self, queries: Float) -> Float:
        """What normalisation takes from the similarities of each query: (Q,) from L2-normalised (Q, D)."""
        return offsets(queries, self.background)

    def judge(self, similarity: float, offset: float, equal: bool = False) -> Judgement:
        """Judge an answer of cosine ``similarity`` to a query with that ``offset``; ``equal``: same bytes or pixels."""
        score = similarity - offset
        if self.calibration is None:
            return Judgement(similarity, score, 1.0 if equal else None, "exact" if equal else "uncertain")
        probability = 1.0 if equal else float(self.calibration.probability(score))
        return Judgement(similarity, score, probability, self.calibration.verdict(score, equal))
