"""The shape of the way from a score to the odds of a copy, learned once on many rehearsals.

A logistic curve has two parameters, and the real curve is steeper in its middle and has longer tails. A bundle brings
the shape, from thousands of rehearsed photographs; a collection, which has hundreds, moves and stretches it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS, PER_BIN, LEAST_BINS = 25, 40, 10
TILT = 1e-3


@dataclass(frozen=True)
class Curve:
    """Log odds at ascending ``scores`` (K,): linear between them, of slope 1 beyond the ends."""

    scores: tuple[float, ...]
    odds: tuple[float, ...]

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Scores of any shape to log odds; strictly increasing."""
        s, (first, last) = np.asarray(scores, np.float64), (self.scores[0], self.scores[-1])
        beyond = np.minimum(s - first, 0) + np.maximum(s - last, 0)
        return np.asarray(np.interp(s, self.scores, self.odds) + beyond)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"scores": list(self.scores), "odds": list(self.odds)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Curve":
        """Read what ``to_json`` wrote."""
        return cls(tuple(data["scores"]), tuple(data["odds"]))


def fit(scores: npt.ArrayLike, right: npt.ArrayLike) -> Curve | None:
    """The curve through the shares of right answers in bins of equal mass; None for fewer than 400 answers.

    ``scores`` (Q,), ``right`` (Q,). Neighbouring bins whose shares do not rise are pooled (isotonic regression); a pool
    counts half an answer more, a quarter of it right, so that no odds are infinite, and many bins of right answers say
    more than one. Then neighbours are averaged, 1/4, 1/2, 1/4.
    """
    s, y = np.asarray(scores, np.float64), np.asarray(right, bool)
    bins = min(BINS, len(s) // PER_BIN)
    if bins < LEAST_BINS:
        return None
    parts = np.array_split(np.argsort(s, kind="stable"), bins)
    good, count = _pooled(np.array([y[rows].sum() for rows in parts]), np.array([len(rows) for rows in parts]))
    odds = np.log((good + 0.25) / (count - good + 0.25))
    odds = np.convolve(np.pad(odds, 1, mode="edge"), [0.25, 0.5, 0.25], "valid") + TILT * np.arange(bins)
    return Curve(tuple(float(s[rows].mean()) for rows in parts), tuple(odds.tolist()))


def _pooled(good: npt.NDArray[np.int64], count: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """For each bin the sums of its pool, in which shares rise strictly from pool to pool."""
    pools: list[list[int]] = []
    for g, n in zip(good.tolist(), count.tolist(), strict=True):
        pools.append([g, n, 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [one + other for one, other in zip(pools[-1], last, strict=True)]
    sums = np.array([pool[:2] for pool in pools], np.float64).repeat([pool[2] for pool in pools], axis=0)
    return sums[:, 0], sums[:, 1]
