"""One probability from all evidence: the score of the descriptor, and what geometric verification found.

A logistic regression on a few numbers of a pair. Its weights were fitted on edited copies of photographs and of
graphics (screens, documents, charts, drawings) by ``benchmarks.evidence_fit``, which prints them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.scoring import logistic

MAX_ODDS = 7.0
"""Log odds from the score count within ± this, because a calibration is not to be trusted further out."""


SMOOTH = 40
"""Keypoints below which a picture is so smooth that finding nothing says little, and the score counts instead."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a pair of pictures.

    ``odds``: log odds from the calibrated score. ``margin``: its score minus the best score of another candidate.
    ``agreeing``: pairs of keypoints that agree with the transform, 0 if there is none. ``agreement``: share of the
    compared cells of the overlap that show the same; ``cells``: their number. ``in_query``, ``in_reference``: share of
    each picture that the overlap covers. ``rival``: the most agreeing pairs of another candidate. ``share``: the share
    of queries with a copy that ``odds`` assumes. ``keypoints``: those of the picture that has fewer.
    """

    odds: float
    margin: float
    agreeing: int = 0
    agreement: float = 0.0
    cells: int = 0
    in_query: float = 0.0
    in_reference: float = 0.0
    rival: int = 0
    share: float = 0.5
    keypoints: int = 0


TERMS = (
    "odds", "margin", "log agreeing", "agreement", "log agreeing x agreement", "log agreeing x agreement^4", "in_query",
    "in_reference", "log cells", "found", "log rival / agreeing",
    "log keypoints, not found", "odds, smooth and not found",
)  # fmt: skip
WEIGHTS = (0.112, 4.639, -0.593, 1.03, 1.279, 0.098, 1.362, 0.652, -0.49, -0.207, -1.383, -0.576, 0.363)
INTERCEPT = -3.688


def terms(evidence: Evidence) -> list[float]:
    """The numbers that the log odds are a linear function of, in the order of ``TERMS``."""
    odds = min(max(evidence.odds - prior(evidence.share), -MAX_ODDS), MAX_ODDS)
    missing = float(evidence.agreeing == 0)
    agreeing, agreement = math.log1p(evidence.agreeing), evidence.agreement
    return [
        odds,
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
        missing * math.log1p(evidence.keypoints),
        missing * odds * max(0.0, 1 - evidence.keypoints / SMOOTH),
    ]


def log_odds(evidence: Evidence) -> float:
    """Log odds that the pair is a copy."""
    return (
        prior(evidence.share)
        + INTERCEPT
        + math.fsum(weight * term for weight, term in zip(WEIGHTS, terms(evidence), strict=True))
    )


def probability(evidence: Evidence) -> float:
    """Probability that the pair is a copy, 0..1."""
    return _probability(log_odds(evidence))


def odds_of(probability: float) -> float:
    """Log odds of a probability in 0..1, within ± ``MAX_ODDS``."""
    p = min(max(probability, 1e-9), 1 - 1e-9)
    return min(max(math.log(p / (1 - p)), -MAX_ODDS), MAX_ODDS)


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


def prior(share: float) -> float:
    """What an assumed share of queries with a copy adds to the log odds, compared with the half of the fit."""
    return math.log(share / (1 - share))


def fit(pairs: Sequence[Evidence], correct: npt.NDArray[np.bool_]) -> tuple[list[float], float]:
    """Weights and intercept of a logistic regression on pairs (P,): whether they are copies (P,); penalty 1/2 |w|²."""
    x = np.array([[*terms(pair), 1.0] for pair in pairs])
    precision = np.array([1.0] * len(TERMS) + [1e-6])
    beta = logistic.fit(x, correct.astype(np.float64), np.ones(len(x)), np.zeros(x.shape[1]), precision)
    return beta[:-1].tolist(), float(beta[-1])
