"""Hubs: the rows that are near to most others."""

import numpy as np
import pytest

from copysight.vectors.hubs import hubs


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_rows_that_are_near_to_most_others_are_kept_in_order():
    rng = np.random.default_rng(0)
    centres = unit(np.eye(4, 64))
    around = unit(np.repeat(centres, 40, axis=0) + rng.normal(0, 0.12, (160, 64)))
    places = [7, 50, 99, 130]  # each in its own group, which the group is around
    around[places] = centres
    assert hubs(around, 4).tolist() == places


def test_the_choice_is_that_of_a_plain_count():
    rows = unit(np.random.default_rng(1).normal(size=(300, 16)))
    similarities = rows @ rows.T
    np.fill_diagonal(similarities, -2)
    times = np.bincount(np.argsort(-similarities, axis=1)[:, :3].ravel(), minlength=300)
    chosen = hubs(rows, 90)
    assert len(chosen) == 90
    assert times[chosen].min() >= np.delete(times, chosen).max()


@pytest.mark.parametrize("count", [5, 6])
def test_few_rows_are_all_kept(count):
    assert hubs(unit(np.random.default_rng(2).normal(size=(5, 8))), count).tolist() == [0, 1, 2, 3, 4]


def test_equal_rows_count_three_others_each():
    rows = unit(np.ones((9, 8)))
    assert hubs(rows, 4).shape == (4,)
