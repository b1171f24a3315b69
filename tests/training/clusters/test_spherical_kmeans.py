"""Spherical k-means against a loop over rows."""

import pytest
import torch
import torch.nn.functional as F

from training.clusters import spherical_kmeans as module
from training.clusters.spherical_kmeans import spherical_kmeans


def unit(rows, width, seed=0):
    return F.normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize(("rows", "k", "width", "iterations"), [(1, 1, 2, 3), (30, 4, 3, 1), (60, 7, 8, 10)])
def test_spherical_kmeans_equals_a_loop(rows, k, width, iterations, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 8)  # a small bank also needs several blocks
    bank, start = unit(rows, width), unit(k, width, seed=1)
    centroids = start.clone()
    for _ in range(iterations):
        groups = [[] for _ in range(k)]
        for row in bank:
            groups[max(range(k), key=lambda c: float(row @ centroids[c]))].append(row)
        means = [torch.stack(g).mean(dim=0) if g else c for g, c in zip(groups, centroids, strict=True)]
        centroids = F.normalize(torch.stack(means), dim=1)
    labels, found = spherical_kmeans(bank, start, iterations)
    assert torch.allclose(found, centroids, atol=1e-5)
    assert labels.tolist() == [max(range(k), key=lambda c: float(row @ centroids[c])) for row in bank]


def test_an_empty_cluster_keeps_its_centroid():
    bank = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    labels, centroids = spherical_kmeans(bank, torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    assert labels.tolist() == [0, 0]
    assert centroids.tolist() == [[1, 0], [0, -1]]
