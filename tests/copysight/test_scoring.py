"""Normalisation against a loop; calibration on populations whose truth is known."""

import numpy as np
import pytest

from copysight import scoring
from copysight.errors import InvalidArgument


def units(rows, columns, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize(("weight", "first", "last"), [(1.0, 0, 2), (0.5, 1, 3), (2.0, 0, 0)])
def test_normalisation_by_the_book(weight, first, last):
    queries, background, similarities = units(4, 8, 1), units(30, 8, 2), units(4, 5, 3)
    got = scoring.normalise(similarities, queries, background, weight, first, last)
    for row in range(4):
        near = sorted((float(queries[row] @ other) for other in background), reverse=True)
        mean = sum(near[first : last + 1]) / (last - first + 1)
        assert got[row] == pytest.approx(similarities[row] - weight * mean, abs=1e-5)


def test_no_background_changes_nothing():
    similarities = units(3, 2, 0)
    assert (scoring.normalise(similarities, units(3, 8, 1), np.empty((0, 8), np.float32)) == similarities).all()


def population(count, seed):
    """Queries with a copy score around .6 and are mostly right, the others around .2."""
    rng = np.random.default_rng(seed)
    present = np.arange(count) % 2 == 0
    scores = np.where(present, rng.normal(0.6, 0.15, count), rng.normal(0.2, 0.12, count))
    right = present & (rng.random(count) < scoring._sigmoid(12 * (scores - 0.3)))
    return scores, right, present


@pytest.fixture(scope="module")
def calibration():
    return scoring.fit(*population(4000, 0))


def test_probabilities_are_shares(calibration):
    scores, right, _ = population(20_000, 1)
    stated = calibration.probability(scores)
    order = np.argsort(stated)
    for rows in np.array_split(order, 15):
        assert abs(right[rows].mean() - stated[rows].mean()) < 0.05


def test_thresholds_keep_their_precision_on_new_queries(calibration):
    scores, right, _ = population(20_000, 2)
    for threshold in calibration.thresholds:
        assert right[scores >= threshold.score].mean() >= threshold.precision - 0.01
        assert threshold.low <= threshold.score <= threshold.high
    ordered = [threshold.score for threshold in calibration.thresholds]
    assert ordered == sorted(ordered)


def test_the_assumed_share_moves_the_probability():
    data = population(4000, 3)
    rare, often = (scoring.fit(*data, share=share) for share in (0.01, 0.9))
    assert rare.probability(0.4) < often.probability(0.4)
    assert rare.threshold(0.95).score > often.threshold(0.95).score


def test_verdicts(calibration):
    assert calibration.verdict(0.0, equal=True) == "exact"
    assert calibration.verdict(0.95) == "copy"
    assert calibration.verdict(0.0) == "different"
    between = calibration.threshold(0.95).score - 1e-6
    assert calibration.verdict(between) == "uncertain"


def test_perfectly_told_apart_stays_finite():
    scores = np.concatenate([np.full(50, 0.9), np.full(50, 0.1)])
    right = np.arange(100) < 50
    found = scoring.fit(scores, right, right)
    assert 0.9 < found.probability(0.9) < 1
    assert 0 < found.probability(0.1) < 0.1
    assert np.isfinite(found.slope)


def test_json_round_trip(calibration):
    assert scoring.Calibration.from_json(calibration.to_json()) == calibration


def test_too_few():
    with pytest.raises(InvalidArgument, match="at least 20 of each"):
        scoring.fit([0.5] * 30, [True] * 30, [True] * 30)
