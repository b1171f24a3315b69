"""Average precision and recall, compared with slow loops."""

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from evaluation.metrics import ranking


def slow_order(correct, scores):
    """Rank by score; of equal scores the wrong ones come first."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], correct[i]))


@pytest.mark.parametrize("count", [1, 2, 7, 60])
@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_average_precision_is_the_mean_precision_at_hits(count, levels):
    rng = np.random.default_rng(count + levels)
    correct, scores = rng.random(count) < 0.4, rng.integers(0, levels, count) / levels
    positives = int(correct.sum()) + 2
    hits, total = 0, 0.0
    best, threshold = np.nan, np.nan
    for place, i in enumerate(slow_order(correct, scores), start=1):
        hits += correct[i]
        total += correct[i] * hits / place
        if hits / place >= 0.9 and not hits / positives <= best:
            best, threshold = hits / positives, scores[i]
    curve = ranking.curve(correct, scores, positives)
    assert ranking.average_precision(curve) == pytest.approx(total / positives, abs=1e-12)
    point = ranking.recall_at_precision(curve, 0.9)
    assert (point.recall, point.threshold) == pytest.approx((best, threshold), nan_ok=True)


@pytest.mark.parametrize("rank", [1, 3, 10])
def test_recall_at_rank_counts_hits_per_query(rank):
    rng = np.random.default_rng(rank)
    queries, scores = rng.integers(0, 6, 80), rng.integers(0, 5, 80) / 5
    correct = rng.random(80) < 0.2
    hits = 0
    for query in range(6):
        mine = np.flatnonzero(queries == query)
        order = slow_order(correct[mine], scores[mine])
        hits += sum(correct[mine[i]] for i in order[:rank])
    assert ranking.recall_at_rank(queries, correct, scores, 20, rank) == pytest.approx(hits / 20)


@pytest.mark.parametrize("positives", [1, 2, 5])
def test_trapezoidal_ap_matches_a_slow_loop(positives):
    ranks = np.sort(np.random.default_rng(positives).choice(12, min(positives, 4), replace=False))
    slow = 0.0
    for j, r in enumerate(ranks):
        before = 1.0 if r == 0 else j / r
        slow += 0.5 * (before + (j + 1) / (r + 1)) / positives
    assert ranking.trapezoidal_ap(ranks, positives) == pytest.approx(slow)


def test_trapezoidal_ap_of_known_cases():
    assert ranking.trapezoidal_ap([0, 2], 3) == pytest.approx(0.527778, abs=1e-6)
    assert ranking.trapezoidal_ap([4], 1) == pytest.approx(0.1)
    assert ranking.trapezoidal_ap([], 2) == 0


def test_pooled_ap_is_one_when_all_matches_are_nearest():
    matches = np.array([[True, False], [True, False]])
    assert ranking.pooled_ap(matches, np.array([[0.1, 0.9], [0.2, 0.8]]), 2) == pytest.approx(1)


def test_no_true_pair_is_an_error():
    with pytest.raises(InvalidArgument, match="no true pair"):
        ranking.curve(np.array([False]), np.array([1.0]), 0)
