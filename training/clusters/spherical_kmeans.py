"""k-means on the memory bank of DeepCluster-v2 (Caron et al. 2020, appendix): cosines, empty clusters kept."""

import torch
import torch.nn.functional as F
from torch import Tensor

from training import distributed

BLOCK = 8192
"""Rows compared with all centroids at a time: bounds the memory by BLOCK x K."""


@torch.no_grad()
def spherical_kmeans(bank: Tensor, centroids: Tensor, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """Labels (N,) int64 and centroids (K, D) of unit rows (N, D), from the initial ``centroids`` (K, D).

    N counts the rows of this process; sums cover all processes, and the centroids are the same on each.
    Each iteration assigns every row to the centroid of the largest product, moves each non-empty cluster's centroid to
    the mean of its rows, and brings all centroids to length 1; an empty cluster keeps its centroid. Labels come from a
    last assignment.
    """
    for _ in range(iterations):
        labels = nearest(bank, centroids)
        sums = distributed.total(torch.zeros_like(centroids).index_add_(0, labels, bank))
        counts = distributed.total(torch.bincount(labels, minlength=len(centroids)).to(bank.dtype))[:, None]
        centroids = F.normalize(torch.where(counts > 0, sums / counts.clamp(min=1), centroids), dim=1)
    return nearest(bank, centroids), centroids


def nearest(bank: Tensor, centroids: Tensor) -> Tensor:
    """Row of the centroid with the largest product for each of (N, D): (N,) int64."""
    return torch.cat([(rows @ centroids.t()).argmax(dim=1) for rows in torch.split(bank, BLOCK)])
