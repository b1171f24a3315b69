"""Calibrations on simulated queries whose true probabilities are known."""

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from copysight.scoring import calibration as calibrations
from copysight.scoring import curve as curves
from copysight.scoring import fitting, logistic
from copysight.scoring.fitting import Answers


def population(count, seed):
    """Queries with a copy score around 0.6 and are mostly correct; the others score around 0.2."""
    rng = np.random.default_rng(seed)
    present = np.arange(count) % 2 == 0
    scores = np.where(present, rng.normal(0.6, 0.15, count), rng.normal(0.2, 0.12, count))
    correct = present & (rng.random(count) < logistic.sigmoid(12 * (scores - 0.3)))
    return Answers(scores, correct, present)


@pytest.fixture(scope="module")
def calibration():
    return fitting.fit(population(4000, 0))


def test_probabilities_equal_the_share_of_correct_answers(calibration):
    new = population(20_000, 1)
    stated = calibration.probability(new.scores)
    order = np.argsort(stated)
    for rows in np.array_split(order, 15):
        assert abs(new.correct[rows].mean() - stated[rows].mean()) < 0.05


def test_thresholds_keep_their_precision_on_new_queries(calibration):
    new = population(20_000, 2)
    for threshold in calibration.thresholds:
        assert new.correct[new.scores >= threshold.score].mean() >= threshold.precision - 0.01
        assert threshold.low <= threshold.score <= threshold.high
    ordered = [threshold.score for threshold in calibration.thresholds]
    assert ordered == sorted(ordered)


def test_the_assumed_share_moves_the_probability():
    data = population(4000, 3)
    rare, often = (fitting.fit(data, share=share) for share in (0.01, 0.9))
    assert rare.probability(0.4) < often.probability(0.4)
    assert rare.threshold(0.95).score > often.threshold(0.95).score


def test_perfectly_separable_scores_give_finite_parameters():
    scores = np.concatenate([np.full(50, 0.9), np.full(50, 0.1)])
    correct = np.arange(100) < 50
    found = fitting.fit(Answers(scores, correct, correct))
    assert 0.9 < found.probability(0.9) < 1
    assert 0 < found.probability(0.1) < 0.1
    assert np.isfinite(found.slope)


def test_json_round_trip(calibration):
    assert calibrations.Calibration.from_json(calibration.to_json()) == calibration


def test_too_few_queries_is_an_error():
    with pytest.raises(InvalidArgument, match="at least 20 of each"):
        fitting.fit(Answers(np.full(30, 0.5), np.ones(30, bool), np.ones(30, bool)))


def long_tailed(count, seed):
    """Steep in the middle; a tenth of the copies is never found."""
    rng = np.random.default_rng(seed)
    present = np.arange(count) % 2 == 0
    scores = np.where(present, rng.uniform(0, 1, count), rng.normal(0.1, 0.08, count))
    correct = present & (rng.random(count) < 0.9 * logistic.sigmoid(40 * (scores - 0.25)))
    return Answers(scores, correct, present)


def fitted_curve(answers):
    return curves.fit(answers.scores, answers.correct)


def worst_bin(calibration, seed):
    new = long_tailed(40_000, seed)
    stated = calibration.probability(new.scores)
    parts = np.array_split(np.argsort(stated), 15)
    return max(abs(new.correct[rows].mean() - stated[rows].mean()) for rows in parts)


def test_a_curve_from_many_queries_lowers_the_error():
    curve = fitted_curve(long_tailed(4000, 0))
    few = [long_tailed(600, seed) for seed in range(5, 15)]
    plain = np.mean([worst_bin(fitting.fit(data), 1) for data in few])
    curved = np.mean([worst_bin(fitting.fit(data, curve=curve), 1) for data in few])
    assert curved < 0.07 < 0.1 < plain


def test_the_assumed_share_also_moves_a_calibration_with_a_curve():
    data = long_tailed(4000, 3)
    curve = fitted_curve(data)
    rare, often = (fitting.fit(data, share=share, curve=curve) for share in (0.05, 0.9))
    assert rare.probability(0.3) < often.probability(0.3)


def test_a_curve_rises_everywhere_and_round_trips_through_json():
    curve = fitted_curve(long_tailed(4000, 2))
    assert np.all(np.diff(curve(np.linspace(-3, 3, 1000))) > 0)
    found = fitting.fit(long_tailed(600, 4), curve=curve)
    assert calibrations.Calibration.from_json(found.to_json()) == found


def test_more_correct_answers_give_higher_odds():
    """Bins with only correct answers are pooled, so the highest odds grow with their number."""
    tops = []
    for count in (1000, 10_000):
        scores = np.linspace(0, 1, count)
        tops.append(curves.fit(scores, scores > 0.5).odds[-1])
    assert tops[0] > np.log(400)
    assert tops[1] > np.log(4000)


def test_too_few_answers_give_no_curve():
    assert curves.fit(np.linspace(0, 1, 399), np.arange(399) > 200) is None


def shifted(answers, by):
    return Answers(answers.scores + by, answers.correct, answers.has_copy)


def test_one_tilt_for_all_efforts_is_better_than_one_per_effort():
    """A collection with other unrelated pictures: an effort with few answers gains from the answers of another."""
    learned = long_tailed(20_000, 0)
    curve, high_curve = fitted_curve(learned), fitted_curve(shifted(learned, 0.05))
    alone, together = [], []
    for seed in range(20, 30):
        here = [shifted(long_tailed(1000, seed), 0.03), shifted(long_tailed(200, 100 + seed), 0.08)]
        tilt = fitting.fit_tilt([(here[0], curve), (here[1], high_curve)])
        for found, its in ((alone, None), (together, tilt)):
            fitted = fitting.fit(here[1], curve=high_curve, tilt=its)
            new = shifted(long_tailed(40_000, 1), 0.08)
            stated = fitted.probability(new.scores)
            found.append(abs(stated.mean() - new.correct.mean()))
    assert np.mean(together) < 0.8 * np.mean(alone)


def test_the_same_answers_twice_count_once():
    """The answers of two efforts are not more evidence than those of one."""
    data, curve = long_tailed(600, 8), fitted_curve(long_tailed(4000, 0))
    once, twice = fitting.fit_tilt([(data, curve)]), fitting.fit_tilt([(data, curve), (data, curve)])
    assert np.allclose(tuple(vars(once.line).values()), tuple(vars(twice.line).values()))
    assert once.steepness == pytest.approx(twice.steepness)


def test_where_strangers_reach_into_the_flat_part_of_a_curve_the_score_itself_tells_them_apart():
    """Strangers up to 0.55, copies from 0.6 on: the bundle's curve calls both copies, with equal odds."""
    rng = np.random.default_rng(0)
    copies, strangers = rng.uniform(0.6, 0.9, 150), rng.uniform(0.35, 0.55, 150)
    scores, has_copy = np.concatenate([copies, strangers]), np.arange(300) < 150
    fitted = fitting.fit(Answers(scores, has_copy, has_copy), curve=fitted_curve(long_tailed(20_000, 0)))
    stated = fitted.probability(np.array([0.45, 0.8]))
    assert stated[0] < 0.3 < 0.8 < stated[1]


def test_a_tilt_never_falls():
    data, curve = long_tailed(600, 8), fitted_curve(long_tailed(4000, 0))
    tilt = fitting.fit_tilt([(Answers(-data.scores, data.correct, data.has_copy), curve)])
    assert tilt.steepness >= 0
    assert tilt.line.slope > 0
