"""From a score to a probability and a verdict: a calibration, and how it is fitted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.scoring.curve import Curve
from copysight.scoring.query_views import EFFORTS, Effort

Floats = npt.NDArray[np.float64]
Verdict = Literal["exact", "copy", "uncertain", "different"]

PRECISIONS = (0.90, 0.95, 0.99)
DECISIVE = 0.95
"""Precision at which an answer is called a copy; below probability 1 - .95 it is called different."""
RESAMPLES = 200
LEAST_SAMPLES = 20
PRIOR = 6.0
"""How firmly curves are believed before anything is seen: slope and intercept of the odds stray by .4 (1 / sqrt of it)
from collection to collection."""


@dataclass(frozen=True)
class Answers:
    """Top answers of Q queries: their ``scores`` (Q,).

    ``right`` (Q,): whether the answer is the query's source; ``has_copy`` (Q,): whether the collection holds that.
    """

    scores: npt.NDArray[np.floating[Any]]
    right: npt.NDArray[np.bool_]
    has_copy: npt.NDArray[np.bool_]

    def weights(self, share: float) -> Floats:
        """(Q,), of sum 1, such that ``share`` of the queries have a copy. Raises ``InvalidArgument`` for too few."""
        present = self.has_copy
        if min(present.sum(), (~present).sum()) < LEAST_SAMPLES:
            raise InvalidArgument(
                f"got {present.sum()} queries with a copy and {(~present).sum()} without, a calibration needs at least "
                f"{LEAST_SAMPLES} of each; add pictures"
            )
        return np.asarray(np.where(present, share / present.sum(), (1 - share) / (~present).sum()))


@dataclass(frozen=True)
class Line:
    """Log odds as ``slope`` times x plus ``intercept``."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class Threshold:
    """The least score whose answers are right at least ``precision`` of the time, and its 95 % interval."""

    precision: float
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Probability that the top answer is a copy, as a function of its score s: 1 / (1 + exp(-(slope x + intercept))).

    x is s, or what ``curve`` makes of it. ``share`` is the assumed share of queries that have a copy in the
    collection; ``samples`` how many queries it was fitted on; ``source`` says where they came from: ``index`` or
    ``bundle``.
    """

    slope: float
    intercept: float
    share: float
    samples: int
    thresholds: tuple[Threshold, ...]
    source: str = "index"
    curve: Curve | None = None

    def probability(self, scores: npt.ArrayLike) -> Floats:
        """Scores of any shape to probabilities in 0..1; monotone."""
        return _sigmoid(self.slope * _bent(scores, self.curve) + self.intercept)

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
            "curve": self.curve and self.curve.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calibration":
        """Read what ``to_json`` wrote."""
        thresholds = tuple(Threshold(**threshold) for threshold in data["thresholds"])
        names = ("slope", "intercept", "share", "samples", "source")
        curve = Curve.from_json(data["curve"]) if data.get("curve") else None
        return cls(**{name: data[name] for name in names}, thresholds=thresholds, curve=curve)


def by_effort(data: Mapping[str, Any]) -> dict[Effort, Calibration]:
    """A calibration for each effort, from the JSON of a bundle or an index; older ones hold a single one for all."""
    if "slope" in data:
        return dict.fromkeys(EFFORTS, Calibration.from_json(data))
    return {effort: Calibration.from_json(data[effort]) for effort in EFFORTS}


def fit(
    answers: Answers,
    share: float = 0.5,
    seed: int = 0,
    source: str = "index",
    curve: Curve | None = None,
    line: Line | None = None,
) -> Calibration:
    """Fit a calibration to top answers, weighted so that ``share`` of the queries have a copy.

    ``line`` on the odds of ``curve``, where both are given; else logistic regression on the score (Platt 1999), or on
    what ``curve`` makes of it. Thresholds from the weighted precision of the same answers, their interval from
    resampling the queries. Raises ``InvalidArgument`` for too few queries of either kind.
    """
    weights = answers.weights(share)
    s, y = np.asarray(answers.scores, np.float64), answers.right
    if line is None:
        line = _line(s, y, weights) if curve is None else adapted([(answers, curve)], share)
    rng = np.random.default_rng(seed)
    draws = [_resampled(answers.has_copy, rng) for _ in range(RESAMPLES)]
    thresholds = []
    for precision in PRECISIONS:
        spread = [_threshold(s[rows], y[rows], weights[rows], precision) for rows in draws]
        low, high = (float(value) for value in np.quantile(spread, (0.025, 0.975)))
        thresholds.append(Threshold(precision, _threshold(s, y, weights, precision), low, high))
    return Calibration(line.slope, line.intercept, share, len(s), tuple(thresholds), source, curve)


def adapted(seen: Sequence[tuple[Answers, Curve]], share: float = 0.5) -> Line:
    """One line on the odds of all curves: how a collection differs from those that the curves were learned on.

    The answers are the same queries' with each effort, perhaps fewer of some, so each effort adds to the evidence no
    more than its share.
    """
    odds = np.concatenate([curve(answers.scores) for answers, curve in seen])
    right = np.concatenate([answers.right for answers, _ in seen])
    counts = [len(answers.scores) for answers, _ in seen]
    weights = [answers.weights(share) * count for (answers, _), count in zip(seen, counts, strict=True)]
    return _logistic(odds, right, np.concatenate(weights), PRIOR, max(counts) / sum(counts))


def _bent(scores: npt.ArrayLike, curve: Curve | None) -> Floats:
    return np.asarray(scores, np.float64) if curve is None else curve(scores)


def _line(s: Floats, y: npt.NDArray[np.bool_], weights: Floats) -> Line:
    """On the scores themselves, which are standardised meanwhile."""
    centre, scale = float(np.average(s, weights=weights)), float(s.std() or 1.0)
    found = _logistic((s - centre) / scale, y, weights * len(s), prior=1e-3)
    return Line(found.slope / scale, found.intercept - found.slope * centre / scale)


def _logistic(values: Floats, y: npt.NDArray[np.bool_], weights: Floats, prior: float, each: float = 1.0) -> Line:
    """Slope and intercept of greatest weighted likelihood, by Newton's method; Platt's targets keep the slope finite.

    Both are normal around 1 and 0 beforehand, of variance 1 / ``prior``. An answer is ``each`` pieces of evidence.
    """
    target, w = np.where(y, 1 - 1 / (each * y.sum() + 2), 1 / (each * (~y).sum() + 2)), each * weights
    x = np.stack([values, np.ones_like(values)], axis=1)
    start = beta = np.array([1.0, 0.0])
    for _ in range(50):
        p = _sigmoid(x @ beta)
        gradient = x.T @ (w * (p - target)) + prior * (beta - start)
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + prior * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta = beta - step.clip(-2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return Line(max(float(beta[0]), 1e-6), float(beta[1]))


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
