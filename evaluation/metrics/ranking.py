"""Precision, recall and average precision, as in the released code of the papers.

A larger score means a more likely match.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """Precision and recall (N,) after each prediction, best score first; ``thresholds`` (N,) are the scores."""

    precisions: Floats
    recalls: Floats
    thresholds: Floats


@dataclass(frozen=True)
class Point:
    """The largest ``recall`` at a given precision and its ``threshold``. Both are NaN if it is never reached."""

    recall: float
    threshold: float


def curve(correct: Flags, scores: Floats, positives: int) -> Curve:
    """Rank pooled predictions (N,) by score. Of equal scores the wrong predictions come first (the worst order).

    ``positives`` is the number of all true pairs, found or not (micro average: Pizzi et al. 2022, section 5.1).
    Raises ``InvalidArgument`` without a true pair.
    """
    if positives < 1:
        raise InvalidArgument("got no true pair, but precision and recall need at least one; check the ground truth")
    order = np.lexsort((correct, -scores))
    found = np.cumsum(correct[order])
    return Curve(found / np.arange(1, len(order) + 1), found / positives, scores[order].astype(np.float64))


def average_precision(ranked: Curve) -> float:
    """Return the area under the curve as a sum of steps: the mean precision at the rank of each true pair."""
    return float((np.diff(ranked.recalls, prepend=0.0) * ranked.precisions).sum())


def recall_at_precision(ranked: Curve, precision: float = 0.9) -> Point:
    """Return the largest recall at a precision of at least ``precision``."""
    allowed = ranked.precisions >= precision
    if not allowed.any():
        return Point(np.nan, np.nan)
    best = int(np.argmax(np.where(allowed, ranked.recalls, -1)))
    return Point(float(ranked.recalls[best]), float(ranked.thresholds[best]))


def recall_at_rank(queries: Ints, correct: Flags, scores: Floats, positives: int, rank: int) -> float:
    """Return the share of true pairs among the first ``rank`` predictions of their query; ties in the worst order."""
    order = np.lexsort((correct, -scores, queries))
    grouped = queries[order]
    first = np.searchsorted(grouped, grouped, side="left")
    position = np.arange(len(order)) - first
    return float(correct[order][position < rank].sum() / positives)


def trapezoidal_ap(ranks: npt.ArrayLike, positives: int) -> float:
    """Return the average precision of one query from the ``ranks`` (from 0) of its positives.

    Precision is interpolated linearly between two ranks (trapezoids, Jegou et al. 2008). Positives that were not
    found count 0.
    """
    found = np.sort(np.asarray(ranks, np.float64))
    j = np.arange(len(found))
    before = np.where(found == 0, 1.0, j / np.maximum(found, 1))
    return float((0.5 * (before + (j + 1) / (found + 1))).sum() / positives)


def pooled_ap(matches: Flags, distances: Floats, positives: int) -> float:
    """Return the trapezoidal AP of the results of all queries together (SSCD's Copydays).

    ``matches`` and ``distances`` are (Q, k); results are ranked by increasing distance.
    """
    order = np.argsort(distances, axis=None, kind="stable")
    return trapezoidal_ap(np.flatnonzero(matches.ravel()[order]), positives)
