"""k-means finds planted clusters, and cluster ids stay stable between runs."""

import numpy as np
import numpy.typing as npt
import pytest

from copysight.vectors.clustering import assign, kmeans, match


def blobs(clusters: int, each: int, width: int, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.standard_normal((width, width)))[0][:clusters]
    rows = np.repeat(centres, each, axis=0) + 0.05 * rng.standard_normal((clusters * each, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), np.repeat(
        np.arange(clusters), each
    ).astype(np.int64)


@pytest.mark.parametrize(("clusters", "each", "width"), [(2, 3, 2), (4, 20, 8), (10, 15, 32)])
@pytest.mark.parametrize("spherical", [True, False])
def test_finds_separate_clusters(clusters: int, each: int, width: int, spherical: bool) -> None:
    rows, truth = blobs(clusters, each, width)
    # k-means may stop at a local optimum, so the best of several starts is compared.
    runs = [kmeans(rows, clusters, 30, seed, spherical) for seed in range(8)]
    best = max(runs, key=lambda run: float(run.similarity.sum()))
    assert sorted(best.sizes.tolist()) == [each] * clusters
    assert len({(a, b) for a, b in zip(best.assignment.tolist(), truth.tolist(), strict=True)}) == clusters


@pytest.mark.parametrize(("rows", "k", "width"), [(1, 1, 2), (30, 5, 4), (12, 40, 6)])
def test_every_row_is_with_its_nearest_centroid(rows: int, k: int, width: int) -> None:
    x = np.random.default_rng(k).standard_normal((rows, width)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = kmeans(x, k, 10)
    assert len(found.centroids) <= min(k, rows)
    assert found.sizes.min() > 0
    assert found.sizes.sum() == rows
    for row, cluster, similarity in zip(x, found.assignment, found.similarity, strict=True):
        cosines = [float(row @ centroid) for centroid in found.centroids]
        assert cosines[cluster] == pytest.approx(max(cosines), abs=1e-5)
        assert similarity == pytest.approx(cosines[cluster], abs=1e-5)
    assert np.linalg.norm(found.centroids, axis=1) == pytest.approx(1, abs=1e-4)


def test_equal_rows_make_one_cluster() -> None:
    found = kmeans(np.tile(np.float32([[0.6, 0.8]]), (9, 1)), 4)
    assert found.sizes.tolist() == [9]


def test_the_same_seed_gives_the_same_clusters() -> None:
    rows, _ = blobs(5, 20, 16)
    first, second = kmeans(rows, 5, seed=3), kmeans(rows, 5, seed=3)
    assert np.array_equal(first.assignment, second.assignment)


def test_no_vectors_give_no_clusters() -> None:
    assert len(kmeans(np.zeros((0, 4), np.float32), 3).centroids) == 0


def test_ids_follow_reordered_centroids() -> None:
    rows, _ = blobs(6, 10, 16)
    centroids = kmeans(rows, 6, seed=1).centroids
    order = np.random.default_rng(0).permutation(len(centroids))
    ids = np.arange(len(centroids)) + 30
    assert np.array_equal(match(centroids, centroids[order], ids, 99), ids[order])


@pytest.mark.parametrize(("old", "new"), [(3, 5), (5, 3), (0, 2), (2, 0), (6, 6)])
def test_match_is_one_to_one_and_greedy(old: int, new: int) -> None:
    rng = np.random.default_rng(old * 7 + new)
    a, b = (rng.standard_normal((n, 3)).astype(np.float32) for n in (old, new))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    slow = [-1] * new
    pairs = sorted(((float(b[i] @ a[j]), i, j) for i in range(new) for j in range(old)), reverse=True)
    for cosine, i, j in pairs:
        if cosine >= 0.5 and slow[i] < 0 and j not in slow:
            slow[i] = j
    fresh = iter(range(70, 80))
    expected = [10 + row if row >= 0 else next(fresh) for row in slow]
    assert match(a, b, np.arange(10, 10 + old), 70).tolist() == expected


def test_a_centroid_unlike_all_old_ones_gets_a_new_id() -> None:
    old, new = np.float32([[1, 0]]), np.float32([[0, 1], [0.9, 0.436]])
    assert match(old, new, np.array([4]), 9).tolist() == [9, 4]


def test_assign_by_distance() -> None:
    found = assign(np.float32([[0, 0], [9, 0]]), np.float32([[1, 0], [10, 0]]), spherical=False)
    assert found.assignment.tolist() == [0, 1]
