"""One probability from all evidence: the score of the descriptor, and what geometric verification found.

A logistic regression on a few numbers of a pair. Its weights were fitted on edited copies of photographs, of graphics
(screens, documents, charts, drawings) and of drawn pages of one form by ``benchmarks.evidence_fit``, which prints them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from copysight.scoring.calibration import IDENTITY, Line

MAX_ODDS = 7.0
"""Log odds from the score count within ± this, because a calibration is not to be trusted further out."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a pair of pictures.

    ``odds``: log odds from the calibrated score. ``margin``: its score minus the best score of another candidate.
    ``agreeing``: pairs of keypoints that agree with the transform, 0 if there is none. ``agreement``: share of the
    compared cells of the overlap that show the same, ``closeness`` of those that show it closely; ``cells``: number of
    compared cells. ``rival``: the most agreeing pairs of another candidate. ``share``: the share of queries with a copy
    that ``odds`` assumes. ``keypoints``: those of the picture that has fewer. ``places``: separate places of the
    overlap that differ in detail, ``unlike``: their share of it; ``differ``: whether they are as many as on pages of
    one form. ``alone``: whether no other candidate was there to compare with.
    """

    odds: float
    margin: float
    agreeing: int = 0
    agreement: float = 0.0
    closeness: float = 0.0
    cells: int = 0
    rival: int = 0
    share: float = 0.5
    keypoints: int = 0
    places: int = 0
    unlike: float = 0.0
    differ: bool = False
    alone: bool = False


FEW_KEYPOINTS = 40
"""Keypoints at which the score counts half if nothing was found: in pictures with many, a copy would have been."""
TERMS = (
    "found", "closeness", "log agreeing x agreement", "log cells x agreement above 0.7",
    "log rival / agreeing above -1", "log keypoints", "log keypoints, not found", "odds if smooth, not found",
    "margin from -0.2 on, found", "margin above -0.2", "margin above 0.1", "log places", "unlike",
)  # fmt: skip
WEIGHTS = (1.878, -0.887, 1.102, 0.137, -2.941, -0.833, -0.178, 0.56, -6.124, 17.434, -4.093, -1.548, -1.167)
INTERCEPT = -1.099
# The margin was cut off at -0.2 after the fit; a fit of the cut term gives the same figures within their error.
PAIR_TERMS = ("log agreeing x agreement", "log keypoints", "log places")
PAIR_WEIGHTS = (1.342, -1.293, -1.838)
PAIR_INTERCEPT = 3.918


def terms(evidence: Evidence) -> list[float]:
    """The numbers that the log odds are a linear function of, in the order of ``TERMS``.

    They were chosen by the cross-validated loss on the pairs of the fit, among products and hinges of the evidence, so
    that neither more agreement nor a higher score makes a copy less probable.
    """
    odds = min(max(evidence.odds - prior(evidence.share), -MAX_ODDS), MAX_ODDS)
    found, keypoints = float(evidence.agreeing > 0), math.log1p(evidence.keypoints)
    agreeing, agreement, margin = math.log1p(evidence.agreeing), evidence.agreement, evidence.margin
    return [
        found,
        evidence.closeness,
        agreeing * agreement,
        math.log1p(evidence.cells) * max(0.0, agreement - 0.7) / 0.3,
        max(0.0, math.log1p(evidence.rival) - agreeing + 1),
        keypoints,
        keypoints * (1 - found),
        odds * (1 - found) / (1 + evidence.keypoints / FEW_KEYPOINTS),
        max(-0.2, margin) * found,
        max(0.0, margin + 0.2),
        max(0.0, margin - 0.1),
        math.log1p(evidence.places),
        evidence.unlike,
    ]


def pair_terms(evidence: Evidence) -> list[float]:
    """The numbers that decide about a pair alone whose details differ, in the order of ``PAIR_TERMS``."""
    return [
        math.log1p(evidence.agreeing) * evidence.agreement,
        math.log1p(evidence.keypoints),
        math.log1p(evidence.places),
    ]


def log_odds(evidence: Evidence) -> float:
    """Log odds that the pair is a copy.

    Among candidates the copy stands out from other pages of its form. For a pair alone only the details of the overlap
    tell another page from an edited copy: if they differ, they are an upper bound.
    """
    odds = _linear(terms(evidence), WEIGHTS, INTERCEPT)
    if evidence.alone and evidence.differ:
        odds = min(odds, _linear(pair_terms(evidence), PAIR_WEIGHTS, PAIR_INTERCEPT))
    return prior(evidence.share) + odds


def _linear(numbers: Sequence[float], weights: Sequence[float], intercept: float) -> float:
    return intercept + math.fsum(weight * number for weight, number in zip(weights, numbers, strict=True))


def probability(evidence: Evidence, line: Line = IDENTITY) -> float:
    """Probability that the pair is a copy, 0..1.

    ``line`` corrects the log odds for a collection: its pictures may resemble each other more than those of the fit.
    """
    return _probability(line.slope * log_odds(evidence) + line.intercept)


def odds_of(probability: float) -> float:
    """Log odds of a probability in 0..1, within ± ``MAX_ODDS``."""
    p = min(max(probability, 1e-9), 1 - 1e-9)
    return min(max(math.log(p / (1 - p)), -MAX_ODDS), MAX_ODDS)


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


def prior(share: float) -> float:
    """What an assumed share of queries with a copy adds to the log odds, compared with the half of the fit."""
    return math.log(share / (1 - share))
