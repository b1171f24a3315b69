"""Self-calibration: answers against an obvious loop, and the edited copies."""

import numpy as np

from copysight.scoring import self_calibration


def units(rows, columns, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_best_answers_equal_a_slow_loop(monkeypatch):
    monkeypatch.setattr(self_calibration, "BLOCK_ROWS", 7)
    vectors = units(40, 6, 0)
    vectors[31] = vectors[3]  # the collection holds picture 3 twice
    sources = np.array([3, 8, 20, 39])
    queries, offsets = units(4, 6, 1), np.array([0.1, 0.0, -0.2, 0.3], np.float32)
    queries[1] = vectors[8]
    answers = self_calibration.best_answers(queries, np.arange(4), sources[:, None], vectors, offsets)
    for number, source in enumerate(sources):
        centred_source = vectors[source] - vectors.mean(axis=0)
        centred = vectors - vectors.mean(axis=0)
        unrelated = [
            float(queries[number] @ vectors[row])
            for row in range(40)
            if centred[row] @ centred_source
            < self_calibration.DUPLICATE_COSINE * (centred[row] @ centred[row] + centred_source @ centred_source) / 2
        ]
        own = float(queries[number] @ vectors[source])
        assert np.isclose(answers.scores[number], max(own, *unrelated) - offsets[number], atol=1e-6)
        assert np.isclose(answers.scores[4 + number], max(unrelated) - offsets[number], atol=1e-6)
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


def test_the_best_of_several_views_counts(drawn):
    vectors, sources = units(12, 6, 0), np.array([2, 5])
    views = np.stack([units(1, 6, 7)[0], vectors[2], vectors[9]])
    single = self_calibration.best_answers(
        views[[0, 2]], np.array([0, 1]), sources[:, None], vectors, np.zeros(2, np.float32)
    )
    answers = self_calibration.best_answers(
        views, np.array([0, 0, 1]), sources[:, None], vectors, np.array([0, 0.06, 0], np.float32)
    )
    assert not single.correct[0]
    assert answers.correct[0]
    assert np.isclose(answers.scores[0], 0.94, atol=1e-6)
    assert np.isclose(answers.scores[1], single.scores[1])


def test_other_pictures_within_a_copy_are_not_wrong_answers():
    vectors, views = units(12, 6, 0), units(1, 6, 1)
    views[0] = vectors[4]  # the picture that the copy of picture 2 was pasted onto
    contained, no_penalty = np.array([[2, 4]]), np.zeros(1, np.float32)
    source_only = self_calibration.best_answers(views, np.array([0]), contained[:, :1], vectors, no_penalty)
    answers = self_calibration.best_answers(views, np.array([0]), contained, vectors, no_penalty)
    assert np.isclose(source_only.scores[1], 1, atol=1e-6)
    assert answers.scores[1] < 0.9


def test_centring_separates_pictures_whose_cosines_are_all_high():
    rng = np.random.default_rng(0)
    vectors = np.float32([1, 0, 0, 0, 0, 0]) + 0.1 * rng.normal(size=(40, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[31] = vectors[3]
    cosines = vectors @ vectors[3]
    assert np.median(cosines) > self_calibration.DUPLICATE_COSINE
    answers = self_calibration.best_answers(
        vectors[[3]], np.array([0]), np.array([[3]]), vectors, np.zeros(1, np.float32)
    )
    assert np.isclose(answers.scores[1], np.delete(cosines, [3, 31]).max(), atol=1e-6)


def test_equal_pictures_are_not_wrong_answers_for_each_other():
    vectors = np.repeat(units(1, 6, 0), 5, axis=0)
    answers = self_calibration.best_answers(
        vectors[:1], np.array([0]), np.array([[0]]), vectors, np.zeros(1, np.float32)
    )
    assert answers.correct.tolist() == [True, False]


def test_high_effort_can_be_limited_to_some_copies(drawn):
    pictures = [drawn(seed) for seed in range(30)]
    view_counts = []

    def embed(views):
        view_counts.append(len(views))
        return units(len(views), 6, 3)

    def run(high_effort):
        rng = np.random.default_rng(0)
        return self_calibration.run_queries(
            pictures, np.arange(30), units(30, 6, 0), units(5, 6, 1), embed, rng, high_effort
        )

    few, all_of_them = run(10), run(None)
    assert {effort: len(one.scores) for effort, one in few.items()} == {"low": 60, "normal": 60, "high": 20}
    assert {len(one.scores) for one in all_of_them.values()} == {60}
    assert view_counts[0] < 0.7 * view_counts[1]
