"""Probabilities of a list follow decisions, and stay near the stated ones while there are few."""

import numpy as np
import pytest

from copysight.scoring import logistic
from copysight.scoring.calibration import Line
from copysight.scoring.decided import MIN_DECISIONS, corrected, fit_decided


def stream(seed, count, slope, intercept):
    """Stated probabilities of matches, of which few are certain, and whether each is correct."""
    rng = np.random.default_rng(seed)
    odds = np.clip(np.abs(rng.normal(2.5, 2.5, count)), 0, 7)
    return logistic.sigmoid(odds), rng.random(count) < logistic.sigmoid(slope * odds + intercept)


def expected_error(line, slope, intercept):
    """Mean difference of corrected and true probabilities in ten bins, on 20,000 other matches."""
    stated, _ = stream(99, 20_000, slope, intercept)
    odds = np.log(stated / (1 - stated))
    p, true = (logistic.sigmoid(one.slope * odds + one.intercept) for one in (line, Line(slope, intercept)))
    bins = np.minimum((p * 10).astype(int), 9)
    return sum(abs((p - true)[bins == one].mean()) * (bins == one).mean() for one in set(bins.tolist()))


def test_it_needs_fifty_decisions():
    stated, correct = stream(0, MIN_DECISIONS, 1, 0)
    assert fit_decided(stated[1:].tolist(), correct[1:].tolist()) is None
    assert fit_decided(stated.tolist(), correct.tolist()) is not None


@pytest.mark.parametrize("decisions", [50, 200])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1.1), (0.6, -0.3)])
def test_decisions_correct_a_foreign_mixture(decisions, slope, intercept):
    """The stated probabilities are off by more than 0.11 on average, and by 0.25 where they are near a half.

    The mean error of 100 streams is 0.046 and 0.050 after 50 decisions, 0.024 and 0.028 after 200. It is mostly chance:
    where the stated probabilities are right, it is 0.032 and 0.019.
    """
    before = expected_error(Line(1.0, 0.0), slope, intercept)
    assert before > 0.11
    after = []
    for seed in range(40):
        stated, correct = stream(seed, decisions, slope, intercept)
        after.append(expected_error(fit_decided(stated.tolist(), correct.tolist()), slope, intercept))
    assert np.mean(after) < {50: 0.055, 200: 0.034}[decisions]


def one_number_known(stated, correct, slope):
    """The most likely intercept where the slope is known: no estimate from decisions alone knows more."""
    odds = np.log(stated / (1 - stated))
    prior, precision = np.array([slope, 0.0]), np.array([1e9, 1e-6])
    x = np.stack([odds, np.ones_like(odds)], axis=1)
    fitted = logistic.fit(x, correct.astype(float), np.ones_like(odds), prior, precision)
    return Line(float(fitted[0]), float(fitted[1]))


@pytest.mark.parametrize("decisions", [50, 200])
def test_what_is_left_is_the_chance_of_so_few_decisions(decisions):
    """An error of 0.03 after 50 decisions and of 0.02 after 200 is below what the mean of so many answers varies by."""
    for slope, intercept in [(1.0, -1.1), (0.6, -0.3)]:
        ours, known = [], []
        for seed in range(100, 140):
            stated, correct = stream(seed, decisions, slope, intercept)
            ours.append(expected_error(fit_decided(stated.tolist(), correct.tolist()), slope, intercept))
            known.append(expected_error(one_number_known(stated, correct, slope), slope, intercept))
        stated, _ = stream(99, 20_000, slope, intercept)
        true = logistic.sigmoid(slope * np.log(stated / (1 - stated)) + intercept)
        chance = np.sqrt(2 / np.pi * np.mean(true * (1 - true)) / decisions)
        assert chance > {50: 0.04, 200: 0.02}[decisions]
        assert np.mean(known) > 0.7 * chance
        assert np.mean(ours) < 1.5 * np.mean(known)


def test_good_probabilities_stay_near():
    errors = []
    for seed in range(20):
        stated, correct = stream(seed, 50, 1, 0)
        errors.append(expected_error(fit_decided(stated.tolist(), correct.tolist()), 1, 0))
    assert np.mean(errors) < 0.045


def test_only_confirmed_and_only_denied_matches_are_finite_and_rise():
    for correct in (True, False):
        line = fit_decided([0.95] * 60, [correct] * 60)
        values = [corrected(p, line) for p in (0.0, 0.5, 0.9, 0.95, 0.999, 1.0)]
        assert all(0 < one < 1 for one in values)
        assert values == sorted(values)
    assert corrected(0.95, line) < 0.2
    line = fit_decided([0.5 + i / 300 for i in range(100)], [i < 50 for i in range(100)])  # the better, the more wrong
    assert line.slope > 0
