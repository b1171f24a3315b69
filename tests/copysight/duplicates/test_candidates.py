"""Candidates: the self-join against all pairs, and which doubtful pairs are left out of large archives."""

import numpy as np
import pytest

from copysight.duplicates import candidates
from copysight.duplicates.candidates import Scorer, find_candidates
from copysight.duplicates.scope import Scope
from copysight.scoring.calibration import IDENTITY, Calibration

CALIBRATION = Calibration(20.0, -10.0, 0.5, 100, ())
"""Probability 0.9 at a score of 0.61, and 0.004 at 0.22."""


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def scorer(seed, count=400, dimension=16):
    """Made vectors, of which every tenth has a copy at a cosine around 0.9."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, dimension))
    copies = count // 10
    vectors[:copies] = vectors[-copies:] + 0.4 * rng.standard_normal((copies, dimension))
    offsets = rng.uniform(0, 0.2, count).astype(np.float32)
    return Scorer(unit(vectors), offsets, CALIBRATION, IDENTITY)


def every_pair(one):
    """All pairs and their scores, by definition."""
    products = one.vectors @ one.vectors.T
    rows, columns = np.triu_indices(len(one.vectors), 1)
    scores = products[rows, columns] - np.minimum(one.offsets[rows], one.offsets[columns])
    return dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), scores.tolist(), strict=True))


def found_pairs(one, scope=None):
    found = find_candidates(one, scope or Scope.everything(len(one.vectors)), lambda _done, _total: None)
    return dict(zip(map(tuple, found.pairs.tolist()), found.scores.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_every_pair_that_leaves_hope_is_a_candidate_of_a_small_archive(seed, monkeypatch):
    one = scorer(seed)
    monkeypatch.setattr(candidates, "NEIGHBOURS", len(one.vectors))
    pairs = found_pairs(one)
    least = candidates._least_score(CALIBRATION)
    expected = {pair: score for pair, score in every_pair(one).items() if score >= least}
    assert abs(len(pairs) - len(expected)) <= 2, "scores at the limit may be rounded to either side"
    assert all(pairs[pair] == pytest.approx(expected[pair], abs=1e-5) for pair in pairs.keys() & expected)


@pytest.mark.parametrize("budget", [0, 50, 400])
def test_of_a_large_archive_likely_pairs_are_all_found_and_of_the_doubtful_ones_the_best(budget, monkeypatch):
    one = scorer(7)
    monkeypatch.setattr(candidates, "NEIGHBOURS", len(one.vectors))
    monkeypatch.setattr(candidates, "BUDGET", budget)
    monkeypatch.setattr("copysight.vectors.self_join.BLOCK", 32)
    pairs = found_pairs(one)
    scores = every_pair(one)
    least, likely = candidates._least_score(CALIBRATION), candidates._score_of(CALIBRATION, candidates.LIKELY)
    sure = {pair for pair, score in scores.items() if score >= likely + 1e-5}
    assert sure
    assert sure <= pairs.keys()
    doubtful = [score for score in scores.values() if least <= score < likely]
    taken = [score for score in pairs.values() if score < likely]
    assert len(taken) == budget < len(doubtful)
    assert sorted(taken) == pytest.approx(sorted(doubtful)[len(doubtful) - budget :], abs=1e-5)


def test_between_two_folders_only_pairs_across_are_candidates():
    one = scorer(3)
    sides = np.arange(len(one.vectors)) % 3 - 1
    scope = Scope("between", sides.astype(np.int64))
    pairs = found_pairs(one, scope)
    assert pairs
    assert all({int(sides[a]), int(sides[b])} == {0, 1} for a, b in pairs)
