"""Score normalisation against a loop."""

import numpy as np
import pytest

from copysight.scoring import judge


def units(rows, columns, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize(("weight", "first", "last"), [(1.0, 0, 2), (0.5, 1, 3), (2.0, 0, 0)])
def test_normalisation_equals_a_slow_loop(weight, first, last):
    queries, background, similarities = units(4, 8, 1), units(30, 8, 2), units(4, 5, 3)
    got = judge.normalise(similarities, queries, background, weight, first, last)
    for row in range(4):
        near = sorted((float(queries[row] @ other) for other in background), reverse=True)
        mean = sum(near[first : last + 1]) / (last - first + 1)
        assert got[row] == pytest.approx(similarities[row] - weight * mean, abs=1e-5)


def test_an_empty_background_changes_no_score():
    similarities = units(3, 2, 0)
    assert (judge.normalise(similarities, units(3, 8, 1), np.empty((0, 8), np.float32)) == similarities).all()
