"""Self-calibration: answers against an obvious loop, and the edited copies."""

from dataclasses import replace

import numpy as np

from copysight.scoring import self_calibration
from copysight.scoring.self_calibration import Sample
from copysight.vectors.representatives import Representatives
from copysight.vectors.score_normalisation import ScoreNormalisation

NONE = np.empty(0, np.int64)


def units(rows, columns, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_best_answers_equal_a_slow_loop(monkeypatch):
    monkeypatch.setattr(self_calibration, "BLOCK_ROWS", 7)
    vectors, sources = units(40, 6, 0), np.array([3, 8, 20, 39])
    neutral = [np.array([31, 5]), NONE, NONE, np.array([0])]
    queries, offsets = units(4, 6, 1), np.array([0.1, 0.0, -0.2, 0.3], np.float32)
    queries[1] = vectors[8]
    without = np.array([0.2, 0.1, 0.0, -0.1], np.float32)
    answers = self_calibration.best_answers(queries, np.arange(4), sources, neutral, vectors, offsets, without)
    for number, source in enumerate(sources):
        unrelated = [
            float(queries[number] @ vectors[row]) for row in range(40) if row != source and row not in neutral[number]
        ]
        own = float(queries[number] @ vectors[source])
        assert np.isclose(answers.scores[number], max(own, *unrelated) - offsets[number], atol=1e-6)
        assert np.isclose(answers.scores[4 + number], max(unrelated) - without[number], atol=1e-6)
        assert answers.correct[number] == (own > max(unrelated))
    assert answers.correct[1]
    assert not answers.correct[4:].any()
    assert answers.has_copy.tolist() == [True] * 4 + [False] * 4


def test_copies_are_edited_and_depend_on_the_seed(drawn):
    pictures = [drawn(seed) for seed in range(6)]
    once, again, other = (self_calibration.make_copies(pictures, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert [copy.pixels.tobytes() for copy in once] == [copy.pixels.tobytes() for copy in again]
    assert [copy.pixels.tobytes() for copy in once] != [copy.pixels.tobytes() for copy in other]
    assert sum(a.tobytes() != b.pixels.tobytes() for a, b in zip(pictures, once, strict=True)) >= 5
    assert all(number not in copy.others and set(copy.others) < set(range(6)) for number, copy in enumerate(once))


def test_the_best_of_several_views_counts():
    vectors, sources = units(12, 6, 0), np.array([2, 5])
    views, neutral = np.stack([units(1, 6, 7)[0], vectors[2], vectors[9]]), [NONE, NONE]
    single = self_calibration.best_answers(
        views[[0, 2]], np.array([0, 1]), sources, neutral, vectors, np.zeros(2, np.float32), np.zeros(2, np.float32)
    )
    penalties = np.array([0, 0.06, 0], np.float32)
    answers = self_calibration.best_answers(views, np.array([0, 0, 1]), sources, neutral, vectors, penalties, penalties)
    assert not single.correct[0]
    assert answers.correct[0]
    assert np.isclose(answers.scores[0], 0.94, atol=1e-6)
    assert np.isclose(answers.scores[1], single.scores[1])


def test_other_pictures_within_a_copy_and_near_duplicates_of_all_are_neither_right_nor_wrong(drawn):
    pictures, rows = [drawn(seed) for seed in range(3)], np.array([4, 6, 9])
    near = [np.array([1]), np.array([2, 3]), NONE]
    sample = Sample(pictures, rows, units(12, 6, 0), ScoreNormalisation(units(5, 6, 1)), near)
    queries = self_calibration.make_queries(sample, lambda views: units(len(views), 6, 2), np.random.default_rng(0))
    for number, copy in enumerate(queries.copies):
        expected = {int(row) for other in copy.others for row in (rows[other], *near[other])} | set(near[number])
        assert set(queries.neutral[number].tolist()) == expected


def test_a_stranger_is_rehearsed_in_a_collection_that_does_not_hold_its_source(drawn):
    """Nor the pictures within it, nor near-duplicates of any: no representative of these counts."""
    pictures, rows, held = [drawn(seed) for seed in range(4)], np.array([4, 6, 9, 15]), units(40, 6, 0)
    near = [np.array([1]), np.array([2, 3]), NONE, NONE]
    within = ScoreNormalisation(units(5, 6, 1)).within(Representatives(held, np.arange(40)))
    sample = Sample(pictures, rows, held, within, near)
    queries = self_calibration.make_queries(sample, lambda views: units(len(views), 6, 2), np.random.default_rng(0))
    for view, owner in enumerate(queries.owners):
        kept = np.setdiff1d(np.arange(40), [*queries.neutral[owner], rows[owner]])
        smaller = replace(within, collection=Representatives(held[kept], np.arange(len(kept))))
        one = queries.vectors[view][None]
        expected = queries.penalties[view] - within.offsets(one)[0] + smaller.offsets(one)[0]
        assert np.isclose(queries.penalties_without[view], expected, atol=1e-6)
    assert not np.allclose(queries.penalties_without, queries.penalties)


def test_high_effort_can_be_limited_to_some_copies(drawn):
    pictures = [drawn(seed) for seed in range(30)]
    view_counts = []

    def embed(views):
        view_counts.append(len(views))
        return units(len(views), 6, 3)

    def run(high_effort):
        sample = Sample(pictures, np.arange(30), units(30, 6, 0), ScoreNormalisation(units(5, 6, 1)))
        queries = self_calibration.make_queries(sample, embed, np.random.default_rng(0), high_effort)
        return self_calibration.answers(queries, sample.vectors)

    few, all_of_them = run(10), run(None)
    assert {effort: len(one.scores) for effort, one in few.items()} == {"low": 60, "normal": 60, "high": 20}
    assert {len(one.scores) for one in all_of_them.values()} == {60}
    assert view_counts[0] < 0.7 * view_counts[1]
