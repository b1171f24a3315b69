"""Metrics of revisited Oxford and Paris, compared with a slow walk down the ranking."""

import numpy as np
import pytest

from evaluation.metrics.retrieval_map import Truth, protocols, score


def slow(ranking, wanted, junk, kappas):
    if not len(wanted):
        return np.nan, [np.nan] * len(kappas)
    rest = [item for item in ranking if item not in junk]
    places = [place for place, item in enumerate(rest) if item in wanted]
    ap = 0.0
    for j, place in enumerate(places):
        before = 1.0 if place == 0 else j / place
        ap += 0.5 * (before + (j + 1) / (place + 1)) / len(wanted)
    precision = []
    for kappa in kappas:
        cut = min(places[-1] + 1, kappa)
        precision.append(sum(place < cut for place in places) / cut)
    return ap, precision


@pytest.mark.parametrize(("items", "queries"), [(6, 1), (30, 4), (200, 10)])
def test_score_matches_a_slow_walk(items, queries):
    rng = np.random.default_rng(items)
    ranks = np.stack([rng.permutation(items) for _ in range(queries)], axis=1)
    wanted, junk = [], []
    for query in range(queries):
        mixed = rng.permutation(items)
        size = 0 if query == 3 else int(rng.integers(1, items // 3 + 1))
        wanted.append(mixed[:size])
        junk.append(mixed[size : size + int(rng.integers(0, items // 3))])
    found = score(ranks, wanted, junk, (1, 5, 10))
    for query in range(queries):
        ap, precision = slow(ranks[:, query].tolist(), wanted[query], junk[query], (1, 5, 10))
        assert found.ap[query] == pytest.approx(ap, nan_ok=True)
        assert found.precision[query] == pytest.approx(precision, nan_ok=True)


def test_protocols_count_different_positives():
    ranks = np.arange(4)[:, None]
    found = protocols(ranks, [Truth(np.array([1]), np.array([3]), np.array([0]))])
    assert found["E"].map == 1  # 0 is junk, so 1 comes first
    assert found["H"].map == pytest.approx(slow([2, 3], [3], [], (1,))[0])
    assert found["M"].map == pytest.approx(slow([1, 2, 3], [1, 3], [], (1,))[0])


def test_queries_without_positives_are_left_out():
    none = np.empty(0, np.int64)
    found = protocols(np.arange(3)[:, None], [Truth(none, none, none)])
    assert np.isnan(found["M"].map)
