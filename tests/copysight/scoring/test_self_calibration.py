"""Rehearsal against the obvious loop, and the copies that it makes."""

import numpy as np

from copysight.scoring import self_calibration


def units(rows, columns, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_observations_by_the_book(monkeypatch):
    monkeypatch.setattr(self_calibration, "BLOCK", 7)
    vectors = units(40, 6, 0)
    vectors[31] = vectors[3]  # the collection holds picture 3 twice
    sources = np.array([3, 8, 20, 39])
    queries, offsets = units(4, 6, 1), np.array([0.1, 0.0, -0.2, 0.3], np.float32)
    queries[1] = vectors[8]
    seen = self_calibration.observe(queries, np.arange(4), sources[:, None], vectors, offsets)
    for number, source in enumerate(sources):
        mine = vectors[source] - vectors.mean(axis=0)
        rest = vectors - vectors.mean(axis=0)
        strangers = [
            float(queries[number] @ vectors[row])
            for row in range(40)
            if rest[row] @ mine < self_calibration.ALIKE * (rest[row] @ rest[row] + mine @ mine) / 2
        ]
        own = float(queries[number] @ vectors[source])
        assert np.isclose(seen.scores[number], max(own, *strangers) - offsets[number], atol=1e-6)
        assert np.isclose(seen.scores[4 + number], max(strangers) - offsets[number], atol=1e-6)
        assert seen.right[number] == (own > max(strangers))
    assert seen.right[1]
    assert not seen.right[4:].any()
    assert seen.has_copy.tolist() == [True] * 4 + [False] * 4


def test_copies_are_edited_and_follow_the_seed(drawn):
    pictures = [drawn(seed) for seed in range(6)]
    once, again, other = (self_calibration.copies(pictures, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert [copy.pixels.tobytes() for copy in once] == [copy.pixels.tobytes() for copy in again]
    assert [copy.pixels.tobytes() for copy in once] != [copy.pixels.tobytes() for copy in other]
    assert sum(a.tobytes() != b.pixels.tobytes() for a, b in zip(pictures, once, strict=True)) >= 5
    assert all(number not in copy.others and set(copy.others) < set(range(6)) for number, copy in enumerate(once))


def test_of_several_looks_the_best_counts(drawn):
    vectors, sources = units(12, 6, 0), np.array([2, 5])
    views = np.stack([units(1, 6, 7)[0], vectors[2], vectors[9]])
    alone = self_calibration.observe(
        views[[0, 2]], np.array([0, 1]), sources[:, None], vectors, np.zeros(2, np.float32)
    )
    seen = self_calibration.observe(
        views, np.array([0, 0, 1]), sources[:, None], vectors, np.array([0, 0.06, 0], np.float32)
    )
    assert not alone.right[0]
    assert seen.right[0]
    assert np.isclose(seen.scores[0], 0.94, atol=1e-6)
    assert np.isclose(seen.scores[1], alone.scores[1])


def test_what_else_a_copy_shows_is_no_stranger():
    vectors, views = units(12, 6, 0), units(1, 6, 1)
    views[0] = vectors[4]  # the picture that the copy of picture 2 was pasted onto
    shown, nothing = np.array([[2, 4]]), np.zeros(1, np.float32)
    blamed = self_calibration.observe(views, np.array([0]), shown[:, :1], vectors, nothing)
    seen = self_calibration.observe(views, np.array([0]), shown, vectors, nothing)
    assert np.isclose(blamed.scores[1], 1, atol=1e-6)
    assert seen.scores[1] < 0.9


def test_pictures_that_share_most_of_their_features_are_strangers_all_the_same():
    rng = np.random.default_rng(0)
    vectors = np.float32([1, 0, 0, 0, 0, 0]) + 0.1 * rng.normal(size=(40, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[31] = vectors[3]
    cosines = vectors @ vectors[3]
    assert np.median(cosines) > self_calibration.ALIKE
    seen = self_calibration.observe(vectors[[3]], np.array([0]), np.array([[3]]), vectors, np.zeros(1, np.float32))
    assert np.isclose(seen.scores[1], np.delete(cosines, [3, 31]).max(), atol=1e-6)


def test_of_equal_pictures_none_is_a_stranger():
    vectors = np.repeat(units(1, 6, 0), 5, axis=0)
    seen = self_calibration.observe(vectors[:1], np.array([0]), np.array([[0]]), vectors, np.zeros(1, np.float32))
    assert seen.right.tolist() == [True, False]


def test_few_copies_are_looked_at_hard(drawn):
    pictures = [drawn(seed) for seed in range(30)]
    shown = []

    def embed(views):
        shown.append(len(views))
        return units(len(views), 6, 3)

    def rehearsed(thorough):
        rng = np.random.default_rng(0)
        return self_calibration.rehearse(pictures, np.arange(30), units(30, 6, 0), units(5, 6, 1), embed, rng, thorough)

    few, all_of_them = rehearsed(10), rehearsed(None)
    assert {effort: len(one.scores) for effort, one in few.items()} == {"low": 60, "normal": 60, "high": 20}
    assert {len(one.scores) for one in all_of_them.values()} == {60}
    assert shown[0] < 0.7 * shown[1]
