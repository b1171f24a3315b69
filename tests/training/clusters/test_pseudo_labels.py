"""PCA whitening, k-means that refills empty clusters, and the uniform sampling of clusters."""

import numpy as np
import pytest

from copysight.errors import TooFewPictures
from training.clusters.pseudo_labels import kmeans, uniform_order, whiten


@pytest.mark.parametrize(("rows", "width", "dimensions"), [(20, 3, 2), (100, 16, 16), (60, 40, 8)])
def test_whitened_dimensions_match_an_svd(rows, width, dimensions):
    rng = np.random.default_rng(rows)
    x = (rng.standard_normal((rows, width)) @ rng.standard_normal((width, width)) + 5).astype(np.float32)
    found = whiten(x, dimensions)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    slow = u[:, :dimensions]
    slow /= np.linalg.norm(slow, axis=1, keepdims=True)
    assert s[dimensions - 1] > 0
    assert abs((found * slow).sum(axis=0)) == pytest.approx((slow**2).sum(axis=0), abs=1e-2)


def test_whitening_too_few_pictures_is_an_error():
    with pytest.raises(TooFewPictures, match="span fewer than 8"):
        whiten(np.random.default_rng(0).standard_normal((4, 16)).astype(np.float32), 8)


@pytest.mark.parametrize(("rows", "k", "width"), [(1, 1, 2), (50, 5, 3), (40, 40, 4)])
def test_labels_are_the_nearest_centroids(rows, k, width):
    x = np.random.default_rng(rows).standard_normal((rows, width)).astype(np.float32)
    found = kmeans(x, k, 5, np.random.default_rng(0))
    for row, label in zip(x, found.labels, strict=True):
        distances = [float(((row - centroid) ** 2).sum()) for centroid in found.centroids]
        assert distances[label] == pytest.approx(min(distances), abs=1e-5)


def test_empty_clusters_are_refilled():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(4, dtype=np.float32) * 10, 50, axis=0)
    x = (groups + 0.1 * rng.standard_normal(groups.shape)).astype(np.float32)
    for seed in range(5):
        assert len(np.unique(kmeans(x, 8, 10, np.random.default_rng(seed)).labels)) == 8


def test_more_clusters_than_pictures_is_an_error():
    with pytest.raises(TooFewPictures, match="got 3 pictures for 4 clusters"):
        kmeans(np.eye(3, dtype=np.float32), 4, 1, np.random.default_rng(0))


@pytest.mark.parametrize("sizes", [(10,), (50, 1, 9), (3, 0, 30, 7), (1, 1, 1)])
def test_every_cluster_is_sampled_equally_often(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    order = uniform_order(labels, np.random.default_rng(0))
    full = sum(size > 0 for size in sizes)
    draws = len(labels) // full + 1
    counts = np.bincount(labels[order], minlength=len(sizes))
    assert len(order) == len(labels)
    for size, count in zip(sizes, counts, strict=True):
        assert count == 0 if size == 0 else draws - (draws * full - len(labels)) <= count <= draws


def test_no_pictures_give_an_empty_order():
    assert len(uniform_order(np.empty(0, np.int64), np.random.default_rng(0))) == 0
