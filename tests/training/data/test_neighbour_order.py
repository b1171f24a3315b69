"""The order of an epoch in which neighbours stand together."""

import numpy as np
import pytest

from training.data.neighbour_order import SAME, neighbour_order


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def kinds(count, each, seed, noise=0.1):
    """``count`` kinds of ``each`` rows, whose cosines are about 0.6 within a kind."""
    rng = np.random.default_rng(seed)
    return unit(np.repeat(unit(rng.normal(size=(count, 64))), each, axis=0) + rng.normal(0, noise, (count * each, 64)))


def test_groups_are_of_one_kind_and_each_picture_stands_once():
    order = neighbour_order(kinds(15, 8, 0), 4, np.random.default_rng(0))
    assert sorted(order) == list(range(120))
    groups = order.reshape(-1, 4) // 8
    assert (groups == groups[:, :1]).all(axis=1).mean() > 0.9
    assert len(np.unique(groups[:8, 0])) > 4  # the groups are shuffled


@pytest.mark.parametrize("count", [0, 1, 5, 37])
def test_any_number_of_pictures_has_an_order(count):
    order = neighbour_order(kinds(count, 1, 1), 4, np.random.default_rng(0))
    assert sorted(order) == list(range(count))


def test_the_same_picture_held_twice_does_not_stand_beside_itself():
    some = kinds(10, 6, 2)
    rows = np.concatenate([some, unit(some + np.random.default_rng(3).normal(0, 0.02, some.shape))])
    groups = neighbour_order(rows, 3, np.random.default_rng(0)).reshape(-1, 3)
    among = np.stack([rows[group] @ rows[group].T - np.eye(3) for group in groups])
    assert (among.max(axis=(1, 2)) < SAME).mean() > 0.9  # the rest fills groups at random
    assert (among.max(axis=(1, 2)) > 0.3).mean() > 0.8
