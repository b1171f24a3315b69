"""Calibration on populations whose truth is known."""

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from copysight.scoring import calibration as calibrations
from copysight.scoring import curve as curves
from copysight.scoring.calibration import Answers


def population(count, seed):
    """Queries with a copy score around .6 and are mostly right, the others around .2."""
    rng = np.random.default_rng(seed)
    present = np.arange(count) % 2 == 0
    scores = np.where(present, rng.normal(0.6, 0.15, count), rng.normal(0.2, 0.12, count))
    right = present & (rng.random(count) < calibrations._sigmoid(12 * (scores - 0.3)))
    return Answers(scores, right, present)


@pytest.fixture(scope="module")
def calibration():
    return calibrations.fit(population(4000, 0))


def test_probabilities_are_shares(calibration):
    new = population(20_000, 1)
    stated = calibration.probability(new.scores)
    order = np.argsort(stated)
    for rows in np.array_split(order, 15):
        assert abs(new.right[rows].mean() - stated[rows].mean()) < 0.05


def test_thresholds_keep_their_precision_on_new_queries(calibration):
    new = population(20_000, 2)
    for threshold in calibration.thresholds:
        assert new.right[new.scores >= threshold.score].mean() >= threshold.precision - 0.01
        assert threshold.low <= threshold.score <= threshold.high
    ordered = [threshold.score for threshold in calibration.thresholds]
    assert ordered == sorted(ordered)


def test_the_assumed_share_moves_the_probability():
    data = population(4000, 3)
    rare, often = (calibrations.fit(data, share=share) for share in (0.01, 0.9))
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
    found = calibrations.fit(Answers(scores, right, right))
    assert 0.9 < found.probability(0.9) < 1
    assert 0 < found.probability(0.1) < 0.1
    assert np.isfinite(found.slope)


def test_json_round_trip(calibration):
    assert calibrations.Calibration.from_json(calibration.to_json()) == calibration


def test_too_few():
    with pytest.raises(InvalidArgument, match="at least 20 of each"):
        calibrations.fit(Answers(np.full(30, 0.5), np.ones(30, bool), np.ones(30, bool)))


def long_tailed(count, seed):
    """Steep in the middle, and a tenth of the copies cannot be found whatever their score."""
    rng = np.random.default_rng(seed)
    present = np.arange(count) % 2 == 0
    scores = np.where(present, rng.uniform(0, 1, count), rng.normal(0.1, 0.08, count))
    right = present & (rng.random(count) < 0.9 * calibrations._sigmoid(40 * (scores - 0.25)))
    return Answers(scores, right, present)


def shape(answers):
    return curves.fit(answers.scores, answers.right)


def worst_bin(calibration, seed):
    new = long_tailed(40_000, seed)
    stated = calibration.probability(new.scores)
    parts = np.array_split(np.argsort(stated), 15)
    return max(abs(new.right[rows].mean() - stated[rows].mean()) for rows in parts)


def test_a_curve_from_many_rehearsals_mends_the_shape():
    curve = shape(long_tailed(4000, 0))
    few = [long_tailed(600, seed) for seed in range(5, 15)]
    plain = np.mean([worst_bin(calibrations.fit(data), 1) for data in few])
    bent = np.mean([worst_bin(calibrations.fit(data, curve=curve), 1) for data in few])
    assert bent < 0.07 < 0.1 < plain


def test_another_share_moves_a_curve_too():
    data = long_tailed(4000, 3)
    curve = shape(data)
    rare, often = (calibrations.fit(data, share=share, curve=curve) for share in (0.05, 0.9))
    assert rare.probability(0.3) < often.probability(0.3)


def test_a_curve_rises_everywhere_and_survives_json():
    curve = shape(long_tailed(4000, 2))
    assert np.all(np.diff(curve(np.linspace(-3, 3, 1000))) > 0)
    found = calibrations.fit(long_tailed(600, 4), curve=curve)
    assert calibrations.Calibration.from_json(found.to_json()) == found


def test_many_right_answers_say_more_than_a_few():
    """Bins in which all is right are pooled, so that the best odds grow with the evidence."""
    tops = []
    for count in (1000, 10_000):
        scores = np.linspace(0, 1, count)
        tops.append(curves.fit(scores, scores > 0.5).odds[-1])
    assert tops[0] > np.log(400)
    assert tops[1] > np.log(4000)


def test_no_curve_from_few_answers():
    assert curves.fit(np.linspace(0, 1, 399), np.arange(399) > 200) is None


def shifted(answers, by):
    return Answers(answers.scores + by, answers.right, answers.has_copy)


def test_one_line_suits_all_efforts_to_a_collection():
    """A collection with other strangers, looked at twice: what few answers of one effort miss, the other knows."""
    learned = long_tailed(20_000, 0)
    curve, harder = shape(learned), shape(shifted(learned, 0.05))
    alone, together = [], []
    for seed in range(20, 30):
        here = [shifted(long_tailed(1000, seed), 0.03), shifted(long_tailed(200, 100 + seed), 0.08)]
        line = calibrations.adapted([(here[0], curve), (here[1], harder)])
        for found, its in ((alone, None), (together, line)):
            fitted = calibrations.fit(here[1], curve=harder, line=its)
            new = shifted(long_tailed(40_000, 1), 0.08)
            stated = fitted.probability(new.scores)
            found.append(abs(stated.mean() - new.right.mean()))
    assert np.mean(together) < 0.8 * np.mean(alone)


def test_two_efforts_weigh_no_more_than_one():
    """The same answers twice are no more evidence than once."""
    data, curve = long_tailed(600, 8), shape(long_tailed(4000, 0))
    once, twice = calibrations.adapted([(data, curve)]), calibrations.adapted([(data, curve), (data, curve)])
    assert np.allclose((once.slope, once.intercept), (twice.slope, twice.intercept))
