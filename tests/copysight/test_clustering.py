"""k-means on planted clusters, and ids that stay."""

import numpy as np
import pytest

from copysight.clustering import assign, kmeans, match


def planted(k: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (k * each, 16) around k far-apart directions, and where each belongs."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(16, 16)))[0][:k]
    rows = np.repeat(centres, each, axis=0) + 0.05 * rng.normal(size=(k * each, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), np.repeat(np.arange(k), each)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_planted_clusters_are_found(k):
    vectors, truth = planted(k, 40)
    found = kmeans(vectors, k)
    assert sorted(found.sizes.tolist()) == [40] * k
    for number in range(k):
        assert len(set(found.assignment[truth == number].tolist())) == 1
    assert np.allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-5)


def test_assignment_is_the_largest_cosine():
    vectors, _ = planted(4, 30)
    found = kmeans(vectors, 4)
    again = assign(vectors, found.centroids)
    for row, vector in enumerate(vectors):
        cosines = [float(np.dot(vector, centroid)) for centroid in found.centroids]
        assert again.assignment[row] == int(np.argmax(cosines))
        assert again.similarity[row] == pytest.approx(max(cosines), abs=1e-5)


def test_the_same_seed_gives_the_same_clusters():
    vectors, _ = planted(6, 20, seed=3)
    assert (kmeans(vectors, 6, seed=5).assignment == kmeans(vectors, 6, seed=5).assignment).all()


def test_few_and_equal_vectors():
    equal = np.tile(np.eye(4, dtype=np.float32)[:1], (5, 1))
    found = kmeans(equal, 3)
    assert found.sizes.sum() == 5
    assert (found.sizes > 0).all()
    assert len(kmeans(np.empty((0, 4), np.float32), 3).sizes) == 0
    assert kmeans(equal[:1], 10).sizes.tolist() == [1]


def test_ids_follow_their_clusters():
    old = np.eye(5, dtype=np.float32)[:3]
    tilted = old[[2, 0]] + 0.1
    new = np.concatenate([tilted / np.linalg.norm(tilted, axis=1, keepdims=True), np.eye(5, dtype=np.float32)[4:]])
    assert match(old, new, np.array([7, 8, 9]), next_id=20).tolist() == [9, 7, 20]


def test_an_id_is_given_once():
    old = np.eye(3, dtype=np.float32)[:1]
    twins = np.array([[1, 0.1, 0], [1, 0.2, 0]], np.float32)
    twins /= np.linalg.norm(twins, axis=1, keepdims=True)
    assert match(old, twins, np.array([4]), next_id=10).tolist() == [4, 10]
    assert match(np.empty((0, 3), np.float32), twins, np.empty(0, np.int64), next_id=0).tolist() == [0, 1]
