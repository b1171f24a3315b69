"""Exact neighbours and the vote, against loops."""

import math

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from copysight.knn import accuracy, exact, vote


def units(rows: int, columns: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize(("queries", "rows", "k"), [(1, 1, 1), (3, 50, 7), (20, 300, 1), (4, 5, 9)])
def test_neighbours_are_those_of_a_full_sort(queries, rows, k):
    q, x = units(queries, 12, 1), units(rows, 12, 2)
    got = exact(q, x, k)
    assert got.ids.shape == (queries, min(k, rows))
    for row in range(queries):
        similarities = [float(np.dot(q[row], x[other])) for other in range(rows)]
        expected = sorted(range(rows), key=lambda other: -similarities[other])[:k]
        assert got.ids[row].tolist() == expected
        assert got.similarities[row] == pytest.approx([similarities[other] for other in expected], abs=1e-5)


def test_nothing_to_compare():
    assert exact(units(3, 4, 0), np.empty((0, 4), np.float32), 5).ids.shape == (3, 0)
    assert exact(np.empty((0, 4), np.float32), units(3, 4, 0), 2).ids.shape == (0, 2)


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.07, 0.01])
def test_vote_by_the_book(k, temperature):
    train, test = units(60, 8, 3), units(9, 8, 4)
    labels = np.random.default_rng(5).integers(0, 4, 60)
    found = exact(test, train, 20)
    got = vote(found, labels, 4, k, temperature)
    for row in range(9):
        scores = [0.0] * 4
        for near, similarity in zip(found.ids[row, :k], found.similarities[row, :k], strict=True):
            scores[labels[near]] += math.exp(float(similarity) / temperature)
        assert got[row].argmax() == int(np.argmax(scores))
        assert got[row] / got[row].sum() == pytest.approx(np.array(scores) / sum(scores), rel=1e-3)


def test_vote_needs_its_neighbours():
    with pytest.raises(InvalidArgument, match="lower k"):
        vote(exact(units(1, 4, 0), units(3, 4, 1), 5), np.zeros(3, np.int64), 1, 5)


def test_accuracy():
    scores = np.array([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3], [0.0, 0.0, 1.0]], np.float32)
    labels = np.array([1, 2, 0])
    assert accuracy(scores, labels) == pytest.approx(1 / 3)
    assert accuracy(scores, labels, top=2) == 1.0
