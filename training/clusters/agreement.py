"""Measure clusterings: mutual information between two, cluster sizes, prototypes in use."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def nmi(first: Tensor, second: Tensor) -> float:
    """Normalised mutual information of two labellings (N,), with the arithmetic mean of their entropies.

    1 means equal up to renaming, 0 means independent. Rows with a negative label are left out. Two clusterings with one
    cluster each give 1. DeepCluster reports it between successive epochs (Caron et al. 2018, section 4.1).
    """
    known = (first >= 0) & (second >= 0)
    a, b = (torch.unique(x[known].cpu(), return_inverse=True)[1].numpy() for x in (first, second))
    if not len(a):
        return 0.0
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    joint = table / len(a)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    mutual = _entropy(rows) + _entropy(columns) - _entropy(joint.ravel())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return float(mutual / mean) if mean > 0 else 1.0


def sizes(labels: Tensor, k: int, prefix: str = "") -> dict[str, float]:
    """Metrics of cluster sizes of labels (N,): clusters in use, largest and median size."""
    counts = torch.bincount(labels[labels >= 0].cpu(), minlength=k)
    return {
        f"{prefix}clusters_used": float((counts > 0).sum()),
        f"{prefix}largest_cluster": float(counts.max()),
        f"{prefix}median_cluster": float(counts.float().median()),
    }


def prototypes_used(scores: Tensor) -> Tensor:
    """Number of prototypes with the highest score in at least one row: (..., K) to a scalar."""
    return torch.tensor(float(torch.unique(scores.argmax(dim=-1)).numel()))


def _entropy(p: npt.NDArray[np.float64]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
