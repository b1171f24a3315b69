"""The logistic fit ends at the minimum on every collection; scikit-learn's fit of the same loss is the reference."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from copysight.scoring import curve as curves
from copysight.scoring import fitting, logistic
from copysight.scoring.fitting import Answers

COLLECTIONS = 1000


def collection(seed):
    """Log odds (N, 1 + intercept), whether they are right, weights: separable, hopeless, reversed or ordinary."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(20, 400))
    right = rng.random(count) < rng.uniform(0.02, 0.98)
    right[:2] = True, False
    gap = rng.choice([0.0, -2.0, 50.0, rng.uniform(0, 8)])  # hopeless, reversed, separable, ordinary
    values = np.where(right, gap, -gap) + rng.normal(0, rng.choice([0.0, 1.0, 10.0]), count)
    weights = rng.gamma(0.5, 2, count) + 1e-6
    return np.stack([values, np.ones(count)], axis=1), right, weights


def loss(beta, x, y, weights, prior, precision):
    z = x @ beta
    return weights @ (np.logaddexp(0, z) - y * z) + precision * np.square(beta - prior).sum() / 2


@pytest.mark.parametrize("precision", [6.0, 1e-3])
def test_the_fit_ends_at_the_minimum_on_a_thousand_collections(precision):
    prior = np.array([1.0, 0.0])
    for seed in range(COLLECTIONS):
        x, y, weights = collection(seed)
        found = logistic.fit(x, y, weights, prior, np.full(2, precision))
        p = logistic.sigmoid(x @ found)
        gradient = x.T @ (weights * (p - y)) + precision * (found - prior)
        # The distance to the minimum is at most |gradient| / precision, because the loss is strongly convex.
        least = loss(found, x, y, weights, prior, precision) - gradient @ gradient / (2 * precision)
        assert loss(found, x, y, weights, prior, precision) - least < 1e-3 * (1 + abs(least)), seed


def test_it_is_the_fit_of_scikit_learn():
    for seed in range(100):
        x, y, weights = collection(seed)
        found = logistic.fit(x, y, weights, np.zeros(2), np.ones(2))
        theirs = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8, max_iter=10_000).fit(x, y, weights)
        ours, other = (loss(beta, x, y, weights, 0.0, 1.0) for beta in (found, theirs.coef_[0]))
        assert ours <= other * (1 + 1e-6) + 1e-6


def test_the_two_cycle_of_a_plain_newton_step_is_gone():
    """Confident and wrong answers, as on look-alike collections, made the undamped fit jump between two points."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(6, 1, 60), rng.normal(5, 1.5, 140)])
    x, y = np.stack([values, np.ones(200)], axis=1), np.arange(200) < 60
    found = logistic.fit(x, y, np.ones(200), np.array([1.0, 0.0]), np.full(2, 6.0))
    best = minimize(loss, np.zeros(2), (x, y, np.ones(200), np.array([1.0, 0.0]), 6.0), tol=1e-12)
    assert loss(found, x, y, np.ones(200), np.array([1.0, 0.0]), 6.0) == pytest.approx(best.fun, rel=1e-8)


def test_a_calibration_is_nearly_as_good_as_an_isotonic_fit_of_the_same_answers():
    """Isotonic regression has the least loss of all rising functions on these answers; ours has two numbers."""
    rng = np.random.default_rng(3)
    present = np.arange(1000) % 2 == 0
    scores = np.where(present, rng.normal(0.5, 0.2, 1000), rng.normal(0.2, 0.15, 1000))
    correct = present & (rng.random(1000) < logistic.sigmoid(15 * (scores - 0.3)))
    fitted = fitting.fit(Answers(scores, correct, present), curve=curves.fit(scores, correct))
    isotonic = IsotonicRegression(out_of_bounds="clip", y_min=1e-3, y_max=1 - 1e-3).fit(scores, correct)
    ours, best = (
        -np.where(correct, np.log(p), np.log(1 - p)).mean()
        for p in (fitted.probability(scores), isotonic.predict(scores))
    )
    assert ours < best + 0.05
