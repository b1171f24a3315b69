"""Score normalisation against a loop."""

import numpy as np
import pytest

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
