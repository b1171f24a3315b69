"""Farthest-point selection against a slow loop."""

import numpy as np
import pytest

from copysight.curation import farthest
from copysight.errors import InvalidArgument


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_each_next_picture_is_the_one_least_like_those_before(seed):
    vectors = unit(np.random.default_rng(seed).standard_normal((40, 6)))
    chosen = farthest.select(vectors, 40).tolist()
    assert sorted(chosen) == list(range(40))
    assert chosen[0] == int(np.argmax(vectors @ vectors.mean(axis=0)))
    for place in range(1, 40):
        nearest = {
            row: max(float(vectors[row] @ vectors[one]) for one in chosen[:place])
            for row in set(range(40)) - set(chosen[:place])
        }
        assert nearest[chosen[place]] == pytest.approx(min(nearest.values()), abs=1e-6)
    assert farthest.select(vectors, 7).tolist() == chosen[:7]


def test_of_three_groups_each_is_in_a_selection_of_three():
    rng = np.random.default_rng(1)
    vectors = unit(np.repeat(np.eye(3), [500, 5, 1], axis=0) + 0.05 * rng.standard_normal((506, 3)))
    assert sorted(np.searchsorted([500, 505], farthest.select(vectors, 3), side="right")) == [0, 1, 2]


def test_equal_pictures_are_selected_once_and_counts_outside_are_refused():
    vectors = unit(np.ones((4, 3)))
    assert sorted(farthest.select(vectors, 4)) == [0, 1, 2, 3]
    for count in (0, 5):
        with pytest.raises(InvalidArgument):
            farthest.select(vectors, count)
