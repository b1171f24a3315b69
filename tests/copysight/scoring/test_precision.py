"""Precision policies: what is answered is right often enough, also on other queries than those of the table."""

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from copysight.scoring import precision
from copysight.scoring.calibration import USUAL, Calibration, VerifiedCalibration
from copysight.scoring.judge import Judge
from copysight.scoring.precision import PRECISIONS, Policy
from copysight.vectors.score_normalisation import ScoreNormalisation


def population(count, seed):
    """Probabilities that are true, and whether the answers are right."""
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(0.3, 0.3, count)
    return probabilities, rng.random(count) < probabilities


def test_a_policy_keeps_its_precision_and_recall_on_new_answers():
    known = population(20_000, 0)
    made = precision.table(*known, np.full(20_000, 1 / 20_000), known[1].mean())
    probabilities, right = population(50_000, 1)
    for policy in made:
        answered = probabilities >= policy.probability
        assert right[answered].mean() >= policy.precision - 0.01
        assert right[answered].sum() / right.sum() == pytest.approx(policy.recall, abs=0.02)


def test_stricter_policies_answer_less():
    made = precision.table(*population(400, 2), np.full(400, 1 / 400), 0.5)
    assert [policy.precision for policy in made] == list(PRECISIONS)
    assert [policy.probability for policy in made] == sorted(policy.probability for policy in made)
    recalls = [policy.recall for policy in made]
    assert recalls == sorted(recalls, reverse=True)


def test_what_was_not_seen_wrong_is_not_more_certain_than_stated():
    """Forty right answers of probability 0.9 do not prove a precision of 0.99."""
    made = precision.table(np.full(40, 0.9), np.ones(40, bool), np.full(40, 1 / 40), 1.0)
    assert precision.policy(made, 0.9).probability == 0.9
    assert precision.policy(made, 0.99).probability == 1.0


def test_a_precision_between_two_policies_is_the_stricter_one():
    made = (Policy(0.9, 0.6, 0.95), Policy(0.95, 0.8, 0.9))
    assert precision.policy(made, 0.92) == made[1]
    assert precision.policy(made, 0.97) == Policy(0.97, 0.97, None)
    assert precision.policy((), 0.9) == Policy(0.9, 0.9, None)


def test_a_judge_has_policies_of_verified_and_of_other_answers():
    fitted = Calibration(1.0, 0.0, 0.5, 40, (), policies=(Policy(0.9, 0.7, 0.8),))
    verified = VerifiedCalibration(policies=(Policy(0.9, 0.6, 0.95),))
    judge = Judge(ScoreNormalisation(np.zeros((0, 4), np.float32)), {"low": fitted}, verified, USUAL)
    assert judge.policy(0.9, "low", verified=True).probability == 0.6
    assert judge.policy(0.9, "low", verified=False).probability == 0.7
    with pytest.raises(InvalidArgument, match="no probabilities"):
        Judge(ScoreNormalisation(np.zeros((0, 4), np.float32))).policy(0.9, "low", verified=True)
