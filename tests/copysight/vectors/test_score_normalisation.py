"""Score normalisation against a loop."""

import numpy as np
import pytest

from copysight.vectors import representatives
from copysight.vectors.representatives import SAME, Representatives
from copysight.vectors.score_normalisation import ScoreNormalisation, offsets


def units(rows, columns, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def slow(query, background, weight, first, last):
    near = sorted((float(query @ other) for other in background), reverse=True)[first : last + 1]
    return weight * sum(near) / len(near)


@pytest.mark.parametrize(("weight", "first", "last"), [(1.0, 0, 2), (0.5, 1, 3), (2.0, 0, 0)])
def test_offsets_equal_a_slow_loop(weight, first, last):
    queries, background = units(4, 8, 1), units(30, 8, 2)
    found = offsets(queries, background, weight, first, last)
    assert found == pytest.approx([slow(one, background, weight, first, last) for one in queries], abs=1e-5)


@pytest.mark.parametrize("rows", [3, 30])
def test_scores_are_similarities_less_the_weighted_mean_of_the_nearest(rows):
    """Also where the background has fewer pictures than ``nearest``."""
    queries, background, similarities = units(4, 8, 1), units(rows, 8, 2), units(4, 5, 3)
    found = ScoreNormalisation(background, nearest=5, weight=0.9).scores(similarities, queries)
    expected = [one - slow(query, background, 0.9, 0, 4) for one, query in zip(similarities, queries, strict=True)]
    assert found == pytest.approx(np.stack(expected), abs=1e-5)


def test_an_empty_background_changes_no_score():
    similarities = units(3, 2, 0)
    found = ScoreNormalisation(np.empty((0, 8), np.float32)).scores(similarities, units(3, 8, 1))
    assert (found == similarities).all()


def slow_within(query, background, collection, absent, nearest, weight):
    """Of the collection: not the absent rows, not what is the same as the query, not the nearest of the rest.

    Nor what is as similar to the nearest as the query is.
    """
    held = [other for row, other in enumerate(collection) if row not in absent and query @ other < SAME]
    best = max(held, key=lambda other: query @ other)
    others = [float(query @ other) for other in held if other @ best < query @ best]
    near = sorted([float(query @ other) for other in background] + others, reverse=True)[:nearest]
    return weight * sum(near) / len(near)


@pytest.mark.parametrize("rows", [6, 40])
def test_representatives_count_like_the_background_but_for_those_that_may_be_the_answer(rows):
    queries, background, held = units(6, 8, 1), units(rows, 8, 2), units(50, 8, 3)
    queries[2] = held[7]
    held[8] = held[9] = queries[3]
    within = ScoreNormalisation(background, 5, 0.9).within(Representatives(held, np.arange(50)))
    expected = [slow_within(query, background, held, (), 5, 0.9) for query in queries]
    assert within.offsets(queries) == pytest.approx(expected, abs=1e-5)
    absent = [np.array([k, k + 1, 99]) for k in range(6)]
    expected = [slow_within(query, background, held, some, 5, 0.9) for query, some in zip(queries, absent, strict=True)]
    assert within.offsets(queries, absent) == pytest.approx(expected, abs=1e-5)


def test_without_rows_scores_are_those_of_a_collection_that_does_not_hold_them():
    queries, held = units(5, 8, 1), units(40, 8, 3)
    usual = ScoreNormalisation(units(9, 8, 2))
    smaller = usual.within(Representatives(held[10:], np.arange(30)))
    found = usual.within(Representatives(held, np.arange(40))).offsets(queries, [np.arange(10)] * 5)
    assert found == pytest.approx(smaller.offsets(queries), abs=1e-6)


def test_a_match_must_stand_out_from_pictures_of_the_same_kind():
    """One that stands out keeps its score, also if it is held several times, or if the query is held itself."""
    rng = np.random.default_rng(4)
    kind = units(1, 64, 5)[0]
    alike = np.stack([unit_row(kind + rng.normal(0, 0.12, 64)) for _ in range(20)])  # cosines of about 0.5
    usual = ScoreNormalisation(units(50, 64, 6))
    stranger, known = alike[0], units(1, 64, 7)[0]
    copies = np.stack([unit_row(known + rng.normal(0, 0.03, 64)) for _ in range(4)])
    others = np.concatenate([alike[1:], units(30, 64, 8)])
    within, absent = (usual.within(representatives.choose(held)) for held in (np.concatenate([others, copies]), others))
    assert within.offsets(stranger[None])[0] > usual.offsets(stranger[None])[0] + 0.2
    for query in (known, copies[0]):
        assert within.offsets(query[None]) == pytest.approx(absent.offsets(query[None]), abs=1e-6)


def test_without_a_background_a_collection_changes_nothing():
    none = ScoreNormalisation(np.empty((0, 8), np.float32))
    assert none.within(Representatives(units(20, 8, 1), np.arange(20))) == none


def unit_row(row):
    return (row / np.linalg.norm(row)).astype(np.float32)
