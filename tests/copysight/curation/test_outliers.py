"""Outlier scores against a slow loop."""

import numpy as np
import pytest

from copysight.curation import outliers


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize(("count", "k"), [(1, 10), (2, 10), (5, 3), (60, 10)])
def test_the_score_is_one_minus_the_mean_cosine_to_the_nearest_others(count, k):
    vectors = unit(np.random.default_rng(count).standard_normal((count, 8)))
    found = outliers.scores(vectors, k)
    for row in range(count):
        others = sorted((float(vectors[row] @ one) for place, one in enumerate(vectors) if place != row), reverse=True)
        expected = 1 - np.mean(others[:k]) if others else 1.0
        assert found[row] == pytest.approx(expected, abs=1e-5)


def test_pictures_with_many_equal_ones_are_no_outliers_and_a_lonely_one_is():
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((3, 16)), 20, axis=0)
    vectors = unit(np.concatenate([rows, -rows[:1]]))
    found = outliers.scores(vectors)
    assert found[:-1] == pytest.approx(np.zeros(60), abs=1e-5)
    assert found.argmax() == 60
    assert outliers.scores(np.zeros((0, 4), np.float32)).shape == (0,)
