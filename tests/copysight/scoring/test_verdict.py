"""The verdict never contradicts the probability, whatever the calibration."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from copysight.scoring.calibration import COPY, DIFFERENT, Calibration, Threshold
from copysight.scoring.judge import Judge

NUMBERS = st.floats(-50, 50)
CALIBRATIONS = st.builds(
    Calibration,
    slope=st.floats(1e-6, 200),
    intercept=NUMBERS,
    share=st.floats(0.01, 0.99),
    samples=st.integers(40, 1000),
    thresholds=st.tuples(*(st.builds(Threshold, st.just(p), NUMBERS, NUMBERS, NUMBERS) for p in (0.9, 0.95, 0.99))),
)


@given(CALIBRATIONS, st.floats(-1, 1), st.floats(-1, 1), st.booleans())
def test_the_verdict_follows_from_the_probability(calibration, similarity, offset, equal):
    judge = Judge(np.zeros((0, 4), np.float32), {"low": calibration})
    found = judge.judge(similarity, offset, equal)
    expected = "uncertain"
    if found.probability >= COPY:
        expected = "copy"
    elif found.probability <= DIFFERENT:
        expected = "different"
    assert found.verdict == ("exact" if equal else expected)
    assert found.probability == 1.0 or not equal
