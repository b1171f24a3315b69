"""Fit the curve from scores to log odds of a copy, on the calibration queries of many photographs.

The measured curve is steeper in the middle and has longer tails than a logistic curve with its two parameters. A bundle
has a curve fitted on thousands of pictures; a collection, with its hundreds, only shifts, scales and tilts it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS, MIN_PER_BIN, MIN_BINS = 25, 40, 10
MIN_RISE = 1e-3
"""Log odds added from bin to bin, so that the curve is strictly increasing."""


@dataclass(frozen=True)
class Curve:
    """Log ``odds`` at ascending ``scores``, one pair per bin: linear between them, with slope 1 beyond the ends."""

    scores: tuple[float, ...]
    odds: tuple[float, ...]

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Convert scores of any shape to log odds; strictly increasing."""
        s, (first, last) = np.asarray(scores, np.float64), (self.scores[0], self.scores[-1])
        beyond = np.minimum(s - first, 0) + np.maximum(s - last, 0)
        return np.asarray(np.interp(s, self.scores, self.odds) + beyond)

    def steeper(self, by: float) -> "Curve":
        """The curve plus ``by`` >= 0 log odds for each unit of the score, between its ends."""
        return Curve(self.scores, tuple(odds + by * score for score, odds in zip(self.scores, self.odds, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"scores": list(self.scores), "odds": list(self.odds)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Curve":
        """Read data from ``to_json``."""
        return cls(tuple(data["scores"]), tuple(data["odds"]))


def fit(scores: npt.ArrayLike, correct: npt.ArrayLike) -> Curve | None:
    """Fit a curve to the shares of correct answers in bins with equal numbers of answers; None below 400 answers.

    ``scores`` (Q,), ``correct`` (Q,). Neighbouring bins whose shares do not rise are pooled (isotonic regression). To
    each pool, 1/4 correct and 1/4 wrong answer are added: no odds are infinite, and a pool of many correct answers gets
    higher odds than a small one. Then neighbouring bins are averaged with weights 1/4, 1/2, 1/4.
    """
    s, y = np.asarray(scores, np.float64), np.asarray(correct, bool)
    bins = min(BINS, len(s) // MIN_PER_BIN)
    if bins < MIN_BINS:
        return None
    parts = np.array_split(np.argsort(s, kind="stable"), bins)
    hits, count = _pooled(np.array([y[rows].sum() for rows in parts]), np.array([len(rows) for rows in parts]))
    odds = np.log((hits + 0.25) / (count - hits + 0.25))
    odds = np.convolve(np.pad(odds, 1, mode="edge"), [0.25, 0.5, 0.25], "valid") + MIN_RISE * np.arange(bins)
    return Curve(tuple(float(s[rows].mean()) for rows in parts), tuple(odds.tolist()))


def _pooled(hits: npt.NDArray[np.int64], count: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Pool adjacent violators: for each bin, hits and count of its pool; shares rise strictly from pool to pool."""
    pools: list[list[int]] = []
    for g, n in zip(hits.tolist(), count.tolist(), strict=True):
        pools.append([g, n, 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [one + other for one, other in zip(pools[-1], last, strict=True)]
    sums = np.array([pool[:2] for pool in pools], np.float64).repeat([pool[2] for pool in pools], axis=0)
    return sums[:, 0], sums[:, 1]
