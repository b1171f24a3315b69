"""Fit calibrations to the best answers of rehearsed queries."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.scoring import logistic
from copysight.scoring.calibration import Calibration, Line, Threshold, VerifiedCalibration
from copysight.scoring.curve import Curve
from copysight.scoring.precision import table

Floats = npt.NDArray[np.float64]

PRECISIONS = (0.90, 0.95, 0.99)
RESAMPLES = 200
"""Bootstrap samples for the interval of a threshold."""
MIN_SAMPLES = 20
MIN_SLOPE = 1e-6
"""A higher score never makes a copy less probable, whatever a collection says."""
PRIOR_PRECISION = 6.0
"""1 / variance of the normal prior of slope and intercept: their standard deviation between collections is 0.4."""
STEEPNESS_PRECISION = 1 / 5**2
"""The same of the steepness, in log odds for each unit of the score."""
MIN_TILTED_SLOPE = 0.01
"""The least slope of a tilted curve, so that its numbers stay small."""


@dataclass(frozen=True)
class Answers:
    """The best answers of Q queries: their ``scores`` (Q,).

    ``correct`` (Q,): whether the answer is the query's source; ``has_copy`` (Q,): whether the collection contains it.
    """

    scores: npt.NDArray[np.floating[Any]]
    correct: npt.NDArray[np.bool_]
    has_copy: npt.NDArray[np.bool_]

    def weights(self, share: float) -> Floats:
        """Weights (Q,), sum 1; queries with a copy have the total ``share``. Raises ``InvalidArgument`` if too few."""
        present = self.has_copy
        if min(present.sum(), (~present).sum()) < MIN_SAMPLES:
            raise InvalidArgument(
                f"got {present.sum()} queries with a copy and {(~present).sum()} without; a calibration needs at least "
                f"{MIN_SAMPLES} of each; add pictures"
            )
        return np.asarray(np.where(present, share / present.sum(), (1 - share) / (~present).sum()))


@dataclass(frozen=True)
class Tilt:
    """How the log odds in a collection differ from a bundle's curve: ``line`` of the curve, plus steepness * score.

    Where pictures resemble each other, the scores of strangers reach into those of copies elsewhere; the curve is flat
    there, and only the score itself tells both apart.
    """

    line: Line
    steepness: float = 0.0

    def curve(self, curve: Curve) -> Curve:
        """The curve whose ``line`` gives the log odds of the collection."""
        return curve.steeper(self.steepness / self.line.slope)


def fit(
    answers: Answers,
    share: float = 0.5,
    seed: int = 0,
    source: str = "index",
    curve: Curve | None = None,
    tilt: Tilt | None = None,
) -> Calibration:
    """Fit a calibration to best answers, weighted so that ``share`` of the queries have a copy.

    With ``curve``, the log odds are ``tilt`` applied to the curve's log odds; if ``tilt`` is None it is fitted here.
    Without a curve, a logistic regression is fitted on the score (Platt 1999). Thresholds come from the weighted
    precision of the same answers, their intervals from resampling the queries. Raises ``InvalidArgument`` for too few
    queries with or without a copy.
    """
    weights = answers.weights(share)
    s, y = np.asarray(answers.scores, np.float64), answers.correct
    if curve is None:
        line = _fit_platt(s, y, weights)
    else:
        tilt = tilt or fit_tilt([(answers, curve)], share)
        line, curve = tilt.line, tilt.curve(curve)
    rng = np.random.default_rng(seed)
    samples = [_resampled(answers.has_copy, rng) for _ in range(RESAMPLES)]
    thresholds = []
    for precision in PRECISIONS:
        spread = [_threshold(s[rows], y[rows], weights[rows], precision) for rows in samples]
        low, high = (float(value) for value in np.quantile(spread, (0.025, 0.975)))
        thresholds.append(Threshold(precision, _threshold(s, y, weights, precision), low, high))
    found = Calibration(line.slope, line.intercept, share, len(s), tuple(thresholds), source, curve)
    return replace(found, policies=table(found.probability(s), y, weights, share))


def fit_verified(answers: Answers, share: float = 0.5) -> VerifiedCalibration:
    """Correct the log odds of verified pairs for a collection. ``answers.scores`` are those of the best answers.

    Raises ``InvalidArgument`` for too few answers.
    """
    weights = answers.weights(share)
    odds = np.asarray(answers.scores, np.float64)
    line = _fit_logistic(odds, answers.correct, weights * len(odds), PRIOR_PRECISION)
    probabilities = logistic.sigmoid(line.slope * odds + line.intercept)
    return VerifiedCalibration(line, len(odds), table(probabilities, answers.correct, weights, share))


def fit_tilt(by_effort: Sequence[tuple[Answers, Curve]], share: float = 0.5) -> Tilt:
    """Fit one tilt on all curves: how a collection differs from those that the curves were fitted on.

    The answers of each effort are from the same queries, perhaps fewer for some. All efforts together therefore count
    as much evidence as the effort with the most answers.
    """
    scores = np.concatenate([np.asarray(answers.scores, np.float64) for answers, _ in by_effort])
    odds = np.concatenate([curve(answers.scores) for answers, curve in by_effort])
    correct = np.concatenate([answers.correct for answers, _ in by_effort])
    counts = [len(answers.scores) for answers, _ in by_effort]
    parts = [answers.weights(share) * count for (answers, _), count in zip(by_effort, counts, strict=True)]
    weights, evidence = np.concatenate(parts), max(counts) / sum(counts)
    centre = float(scores.mean())
    x = np.stack([odds, np.ones_like(odds), scores - centre], axis=1)
    slope, intercept, steepness = _posterior(
        x, correct, weights, (1.0, 0.0, 0.0), (PRIOR_PRECISION, PRIOR_PRECISION, STEEPNESS_PRECISION), evidence
    )
    if steepness < 0:
        return Tilt(_fit_logistic(odds, correct, weights, PRIOR_PRECISION, evidence))
    return Tilt(Line(max(slope, MIN_TILTED_SLOPE), intercept - steepness * centre), steepness)


def _fit_platt(s: Floats, y: npt.NDArray[np.bool_], weights: Floats) -> Line:
    """Logistic regression on the scores, which are standardised for the fit."""
    centre, scale = float(np.average(s, weights=weights)), float(s.std() or 1.0)
    found = _fit_logistic((s - centre) / scale, y, weights * len(s), prior=1e-3)
    return Line(found.slope / scale, found.intercept - found.slope * centre / scale)


def _fit_logistic(
    values: Floats, y: npt.NDArray[np.bool_], weights: Floats, prior: float, evidence: float = 1.0
) -> Line:
    """Slope and intercept of maximum weighted posterior.

    Their normal priors have means 1 and 0 and variance 1 / ``prior``. An answer counts as ``evidence`` observations.
    """
    x = np.stack([values, np.ones_like(values)], axis=1)
    slope, intercept = _posterior(x, y, weights, (1.0, 0.0), (prior, prior), evidence)
    return Line(max(slope, MIN_SLOPE), intercept)


def _posterior(
    x: Floats,
    y: npt.NDArray[np.bool_],
    weights: Floats,
    means: Sequence[float],
    precisions: Sequence[float],
    evidence: float,
) -> list[float]:
    """Coefficients (D,) of maximum weighted posterior for inputs (Q, D); Platt's targets keep them finite."""
    target = np.where(y, 1 - 1 / (evidence * y.sum() + 2), 1 / (evidence * (~y).sum() + 2))
    found = logistic.fit(x, target, evidence * weights, np.array(means), np.array(precisions))
    return [float(value) for value in found]


def _threshold(s: Floats, y: npt.NDArray[np.bool_], weights: Floats, precision: float) -> float:
    """Lowest score from which on the weighted precision is at least ``precision``; above all scores if none."""
    order = np.argsort(-s, kind="stable")
    correct = np.cumsum(weights[order] * y[order])
    enough = np.flatnonzero(correct / np.cumsum(weights[order]) >= precision)
    return float(s[order[enough[-1]]]) if len(enough) else math.nextafter(float(s.max()), math.inf)


def _resampled(present: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw rows with replacement; the numbers of queries with and without a copy stay the same."""
    kinds = [np.flatnonzero(present), np.flatnonzero(~present)]
    return np.concatenate([rng.choice(rows, len(rows)) for rows in kinds])
