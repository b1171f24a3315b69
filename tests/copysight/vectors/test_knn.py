"""Exact k-NN and the weighted vote against slow loops."""

import math

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from copysight.vectors.knn import Neighbours, accuracy, exact, vote


@pytest.mark.parametrize(
    ("queries", "rows", "width", "k"), [(1, 1, 1, 1), (3, 7, 4, 3), (20, 50, 16, 10), (5, 4, 8, 9)]
)
def test_exact_equals_sorting_all_products(queries: int, rows: int, width: int, k: int) -> None:
    rng = np.random.default_rng(rows)
    q, x = (rng.standard_normal((n, width)).astype(np.float32) for n in (queries, rows))
    found = exact(q, x, k)
    assert found.ids.shape == (queries, min(k, rows))
    for query, ids, similarities in zip(q, found.ids, found.similarities, strict=True):
        products = sorted(((float(query @ row), number) for number, row in enumerate(x)), reverse=True)[:k]
        assert ids.tolist() == [number for _, number in products]
        assert similarities == pytest.approx([product for product, _ in products], abs=1e-5)


def test_exact_without_queries_or_database_is_empty() -> None:
    assert exact(np.zeros((2, 3), np.float32), np.zeros((0, 3), np.float32), 5).ids.shape == (2, 0)
    assert exact(np.zeros((0, 3), np.float32), np.ones((4, 3), np.float32), 2).ids.shape == (0, 2)


@pytest.mark.parametrize(("k", "classes", "temperature"), [(1, 2, 0.07), (5, 3, 0.07), (8, 10, 0.5), (20, 4, 0.01)])
def test_vote_is_the_sum_over_neighbours(k: int, classes: int, temperature: float) -> None:
    rng = np.random.default_rng(k)
    similarities = -np.sort(-rng.uniform(-1, 1, (6, 20)).astype(np.float32), axis=1)
    ids = np.stack([rng.permutation(30)[:20] for _ in range(6)])
    labels = rng.integers(0, classes, 30)
    scores = vote(Neighbours(ids, similarities), labels, classes, k, temperature)
    for row in range(6):
        slow = [0.0] * classes
        for column in range(k):
            slow[labels[ids[row, column]]] += math.exp(float(similarities[row, column]) / temperature)
        # A common factor per query does not change the order of classes, so normalised scores are compared.
        assert scores[row] / scores[row].sum() == pytest.approx(np.asarray(slow) / sum(slow), abs=2e-4)


def test_vote_needs_k_neighbours() -> None:
    near = Neighbours(np.zeros((1, 3), np.int64), np.zeros((1, 3), np.float32))
    with pytest.raises(InvalidArgument, match="got 3 neighbours"):
        vote(near, np.zeros(4, np.int64), 2, 5)


def test_vote_does_not_overflow() -> None:
    near = Neighbours(np.array([[0, 1]]), np.array([[90.0, 89.0]], np.float32))
    assert np.isfinite(vote(near, np.array([0, 1]), 2, 2, 0.01)).all()


def test_accuracy_top_1_and_top_2() -> None:
    scores = np.array([[0.1, 0.9, 0.0], [0.5, 0.4, 0.1]], np.float32)
    assert accuracy(scores, np.array([1, 1])) == 0.5
    assert accuracy(scores, np.array([1, 1]), top=2) == 1.0
