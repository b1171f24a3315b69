"""Sinkhorn-Knopp: balanced soft assignments, computed in the log domain so that no score can overflow."""

import math

import torch
from torch import Tensor

from training import distributed


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int = 3) -> Tensor:
    """Scores (B, K) to assignments (B, K) whose rows sum to 1 and whose columns have nearly equal sums.

    Each iteration scales the columns of Q = exp(scores / epsilon) / sum to 1 / K, then its rows to 1 / B
    (Caron et al. 2020, section 3.1). DINOv2 uses the teacher's temperature as ``epsilon``. With several processes B
    counts the rows of all, so two processes give the same as one process with the rows of both. Computed in float32.
    """
    log_q = scores.float() / epsilon
    prototypes = scores.shape[1]
    log_rows = math.log(float(distributed.all_reduce_sum(torch.tensor(float(len(scores)), device=scores.device))))
    log_q = log_q - _log_column_sums(log_q).logsumexp(dim=0)
    for _ in range(iterations):
        log_q = log_q - _log_column_sums(log_q) - math.log(prototypes)
        log_q = log_q - log_q.logsumexp(dim=1, keepdim=True) - log_rows
    return (log_q + log_rows).exp()


def _log_column_sums(log_q: Tensor) -> Tensor:
    """Log-sum-exp over the rows of all processes: (B, K) to (K,)."""
    if distributed.world_size() == 1:
        return log_q.logsumexp(dim=0)
    largest = distributed.all_reduce_max(log_q.amax(dim=0))
    return distributed.all_reduce_sum((log_q - largest).exp().sum(dim=0)).log() + largest
