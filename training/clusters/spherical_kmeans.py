"""Spherical k-means on the memory bank of DeepCluster-v2 (Caron et al. 2020, appendix)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from training import distributed

BLOCK = 8192
"""Rows that are compared with all centroids at a time. It limits the memory to BLOCK x K products."""


@torch.no_grad()
def spherical_kmeans(bank: Tensor, centroids: Tensor, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """Labels (N,) int64 and centroids (K, D) of L2-normalised rows (N, D), from the initial ``centroids`` (K, D).

    N counts the rows of this process. Sums cover all processes, so the centroids are the same on each. Each iteration
    assigns every row to the centroid with the largest dot product, sets each centroid to the mean of its rows, and
    normalises all centroids; an empty cluster keeps its centroid. The labels come from a last assignment.
    """
    for _ in range(iterations):
        labels = nearest(bank, centroids)
        sums = distributed.all_reduce_sum(torch.zeros_like(centroids).index_add_(0, labels, bank))
        counts = distributed.all_reduce_sum(torch.bincount(labels, minlength=len(centroids)).to(bank.dtype))[:, None]
        centroids = F.normalize(torch.where(counts > 0, sums / counts.clamp(min=1), centroids), dim=1)
    return nearest(bank, centroids), centroids


def nearest(bank: Tensor, centroids: Tensor) -> Tensor:
    """Index of the centroid with the largest dot product for each row (N, D): (N,) int64."""
    return torch.cat([(rows @ centroids.t()).argmax(dim=1) for rows in torch.split(bank, BLOCK)])
