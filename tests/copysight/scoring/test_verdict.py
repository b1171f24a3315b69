"""The verdict never contradicts the probability, whatever the calibration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copysight.errors import InvalidArgument
from copysight.index.find_copies import judged
from copysight.scoring.calibration import USUAL, Calibration, Threshold, Verdicts
from copysight.scoring.judge import Judge
from copysight.scoring.verified import Outcome
from copysight.vectors.score_normalisation import ScoreNormalisation

NUMBERS = st.floats(-50, 50)
CALIBRATIONS = st.builds(
    Calibration,
    slope=st.floats(1e-6, 200),
    intercept=NUMBERS,
    share=st.floats(0.01, 0.99),
    samples=st.integers(40, 1000),
    thresholds=st.tuples(*(st.builds(Threshold, st.just(p), NUMBERS, NUMBERS, NUMBERS) for p in (0.9, 0.95, 0.99))),
)


VERDICTS = (
    st.tuples(st.floats(0, 1), st.floats(0, 1))
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: Verdicts(max(pair), min(pair)))
)


@given(CALIBRATIONS, VERDICTS, st.floats(-1, 1), st.floats(-1, 1), st.booleans(), st.floats(0, 1))
def test_the_verdict_follows_from_the_probability(calibration, verdicts, similarity, offset, equal, verified):
    judge = Judge(ScoreNormalisation(np.zeros((0, 4), np.float32)), {"low": calibration}, verdicts=verdicts)
    first = judge.judge(similarity, offset, equal)
    for found in (
        first,
        judged(first, Outcome(verified, verified=True), verdicts),
        judged(first, Outcome(0), verdicts),
    ):
        expected = "uncertain"
        if found.probability >= verdicts.copy:
            expected = "copy"
        elif found.probability <= verdicts.different:
            expected = "different"
        assert found.verdict == ("exact" if equal else expected)
        assert found.probability == 1.0 or not equal


@pytest.mark.parametrize(("copy", "different"), [(0.5, 0.5), (0.2, 0.4), (1.1, 0.1), (0.9, -0.1), (float("nan"), 0.1)])
def test_verdicts_that_overlap_are_refused(copy, different):
    with pytest.raises(InvalidArgument, match="the first must be the larger one"):
        Verdicts(copy, different)


def test_the_usual_verdicts():
    assert [USUAL.of(p) for p in (0.9, 0.89, 0.06, 0.05)] == ["copy", "uncertain", "uncertain", "different"]
