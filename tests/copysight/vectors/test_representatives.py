"""Representatives of a collection: each picture once, and those that most others resemble."""

import numpy as np
import pytest

from copysight.vectors import representatives
from copysight.vectors.representatives import SAME, choose


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def family(first, count, rng, noise=0.02):
    """``count`` rows that are the same picture as ``first``: cosines of about 0.97."""
    return unit(first + rng.normal(0, noise, (count, len(first))))


@pytest.mark.parametrize("held", [1, 2, 5, 60])
def test_a_picture_is_represented_once_however_often_it_is_held(held):
    rng = np.random.default_rng(0)
    strangers = unit(rng.normal(size=(30, 64)))
    vectors = np.concatenate([strangers, family(strangers[4], held, rng), family(strangers[9], 3, rng)])
    chosen = choose(vectors)
    assert chosen.rows.tolist() == list(range(30))
    assert np.array_equal(chosen.vectors, vectors[:30])


def test_no_two_representatives_are_the_same_and_each_picture_has_one():
    rng = np.random.default_rng(1)
    vectors = np.concatenate([family(one, 9, rng, 0.03) for one in unit(rng.normal(size=(20, 64)))])
    chosen = choose(vectors).vectors
    among = chosen @ chosen.T
    assert (among[~np.eye(len(chosen), dtype=bool)] < SAME).all()
    assert ((vectors @ chosen.T).max(axis=1) >= SAME).all()


def test_of_many_pictures_those_are_chosen_that_most_others_resemble(monkeypatch):
    monkeypatch.setattr(representatives, "LARGEST", 10)
    rng = np.random.default_rng(2)
    kinds = unit(rng.normal(size=(10, 64)))
    around = unit(np.repeat(kinds, 20, axis=0) + rng.normal(0, 0.16, (200, 64)))
    places = np.arange(10) * 20 + 7  # each in the middle of its kind
    around[places] = kinds
    assert choose(around).rows.tolist() == places.tolist()


def test_a_large_collection_is_drawn_from_at_random_and_the_same_each_time(monkeypatch):
    monkeypatch.setattr(representatives, "CANDIDATES", 50)
    vectors = unit(np.random.default_rng(3).normal(size=(400, 32)))
    one, again, other = choose(vectors, 0), choose(vectors, 0), choose(vectors, 1)
    assert len(one.rows) == 50
    assert one.rows.max() > 200
    assert np.array_equal(one.vectors, vectors[one.rows])
    assert np.array_equal(one.rows, again.rows)
    assert not np.array_equal(one.rows, other.rows)


def test_an_empty_collection_has_none():
    assert choose(np.empty((0, 8), np.float32)).vectors.shape == (0, 8)
