"""One probability from all evidence: the score of the descriptor, and what geometric verification found.

A logistic regression on a few numbers of a pair. Its weights were fitted on edited copies of photographs and of
graphics (screens, documents, charts, drawings) by ``benchmarks.evidence_fit``, which prints them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_ODDS = 7.0
"""Log odds from the score count within ± this, because a calibration is not to be trusted further out."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a pair of pictures.

    ``odds``: log odds from the calibrated score. ``margin``: its score minus the best score of another candidate.
    ``agreeing``: pairs of keypoints that agree with the transform, 0 if there is none. ``agreement``: share of the
    compared cells of the overlap that show the same; ``cells``: their number. ``in_query``, ``in_reference``: share of
    each picture that the overlap covers. ``rival``: the most agreeing pairs of another candidate.
    """

    odds: float
    margin: float
    agreeing: int = 0
    agreement: float = 0.0
    cells: int = 0
    in_query: float = 0.0
    in_reference: float = 0.0
    rival: int = 0


TERMS = (
    "odds", "margin", "log agreeing", "agreement", "log agreeing x agreement", "log agreeing x agreement^4", "in_query",
    "in_reference", "log cells", "found", "log rival / agreeing",
)  # fmt: skip
WEIGHTS = (0.208, 4.309, -0.492, 1.546, 1.138, 0.068, 1.313, 0.651, -0.429, 0.747, -1.479)
INTERCEPT = -5.551


def terms(evidence: Evidence) -> list[float]:
    """The numbers that the log odds are a linear function of, in the order of ``TERMS``."""
    agreeing, agreement = math.log1p(evidence.agreeing), evidence.agreement
    return [
        min(max(evidence.odds, -MAX_ODDS), MAX_ODDS),
        evidence.margin,
        agreeing,
        agreement,
        agreeing * agreement,
        agreeing * agreement**4,
        evidence.in_query,
        evidence.in_reference,
        math.log1p(evidence.cells),
        float(evidence.agreeing > 0),
        math.log1p(evidence.rival) - agreeing,
    ]


def log_odds(evidence: Evidence) -> float:
    """Log odds that the pair is a copy."""
    return INTERCEPT + math.fsum(weight * term for weight, term in zip(WEIGHTS, terms(evidence), strict=True))


def probability(evidence: Evidence) -> float:
    """Probability that the pair is a copy, 0..1."""
    return 1 / (1 + math.exp(-log_odds(evidence)))


def odds_of(probability: float) -> float:
    """Log odds of a probability in 0..1, within ± ``MAX_ODDS``."""
    p = min(max(probability, 1e-9), 1 - 1e-9)
    return min(max(math.log(p / (1 - p)), -MAX_ODDS), MAX_ODDS)


def fit(pairs: Sequence[Evidence], correct: npt.NDArray[np.bool_]) -> tuple[list[float], float]:
    """Weights and intercept of a logistic regression on pairs (P,) and whether they are copies (P,), penalty 1/2 |w|².

    Newton's method on a strictly convex loss; steps are halved while they raise it.
    """
    x = np.array([[*terms(pair), 1.0] for pair in pairs])
    y, ridge = np.asarray(correct, np.float64), np.diag([1.0] * len(TERMS) + [1e-6])
    beta = np.zeros(x.shape[1])
    loss = _loss(beta, x, y, ridge)
    for _ in range(100):
        p = 1 / (1 + np.exp(-(x @ beta)))
        gradient = x.T @ (p - y) + ridge @ beta
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + ridge, gradient)
        while (lower := _loss(beta - step, x, y, ridge)) > loss and np.abs(step).max() > 1e-9:
            step = step / 2
        beta, before, loss = beta - step, loss, min(lower, loss)
        if before - loss < 1e-9:
            break
    return beta[:-1].tolist(), float(beta[-1])


def _loss(
    beta: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    ridge: npt.NDArray[np.float64],
) -> float:
    z = x @ beta
    return float(np.logaddexp(0, z).sum() - y @ z + beta @ ridge @ beta / 2)
