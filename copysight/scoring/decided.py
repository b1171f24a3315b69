"""Correct the probabilities of a list by what people decided about its matches."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from copysight.scoring import logistic
from copysight.scoring.calibration import Line
from copysight.scoring.evidence import odds_of

MIN_DECISIONS = 50
"""Decisions from which on a list learns. With fewer, chance would move the probabilities more than it corrects them."""
MIN_SLOPE = 0.05
"""A more probable match never becomes a less probable one."""
PRIOR_PRECISIONS = (6.0, 1.0)
"""1 / variance of the normal priors of slope and intercept, whose means leave the stated probabilities as they are."""


def fit_decided(stated: Sequence[float], correct: Sequence[bool]) -> Line | None:
    """The line by which log odds of ``stated`` probabilities (N,) become those of ``correct`` (N,).

    A logistic regression with normal priors (`scoring.fitting` fits collections likewise), so that few decisions stay
    near the stated probabilities. None below ``MIN_DECISIONS``.
    """
    if len(stated) < MIN_DECISIONS:
        return None
    odds, right = np.array([odds_of(one) for one in stated]), np.asarray(correct, np.float64)
    x = np.stack([odds, np.ones_like(odds)], axis=1)
    slope, intercept = logistic.fit(x, right, np.ones_like(odds), np.array([1.0, 0.0]), np.array(PRIOR_PRECISIONS))
    return Line(max(float(slope), MIN_SLOPE), float(intercept))


def corrected(probability: float, line: Line) -> float:
    """A stated probability, corrected by a line."""
    z: npt.NDArray[np.float64] = np.array(line.slope * odds_of(probability) + line.intercept)
    return float(logistic.sigmoid(z))
