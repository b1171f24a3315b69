"""How two clusterings of the same pictures agree, and how large their clusters are."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def nmi(first: Tensor, second: Tensor) -> float:
    """Normalised mutual information (arithmetic mean of the entropies) of labels (N,); negative labels are left out.

    1: the same up to names; 0: independent. DeepCluster watches it between successive epochs (Caron et al. 2018,
    section 4.1). Two clusterings of one cluster each agree fully.
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
    """Figures on cluster sizes: clusters in use, largest and median size."""
    counts = torch.bincount(labels[labels >= 0].cpu(), minlength=k)
    return {
        f"{prefix}clusters_used": float((counts > 0).sum()),
        f"{prefix}largest_cluster": float(counts.max()),
        f"{prefix}median_cluster": float(counts.float().median()),
    }


def used(scores: Tensor) -> Tensor:
    """Number of prototypes that are the first choice of some row: (..., K) to a scalar."""
    return torch.tensor(float(torch.unique(scores.argmax(dim=-1)).numel()))


def _entropy(p: npt.NDArray[np.float64]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
