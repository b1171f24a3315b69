"""Sinkhorn-Knopp: balanced soft assignments, in the log domain, so that no score can overflow."""

import math

import torch
from torch import Tensor

from training import distributed


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int = 3) -> Tensor:
    """Scores (B, K) to assignments (B, K) whose rows sum to 1 and whose columns share the pictures nearly evenly.

    Each iteration scales columns to 1 / K, then rows to 1 / B, of Q = exp(scores / epsilon) / sum; it ends on rows
    (Caron et al. 2020, section 3.1). DINOv2 uses the same with the teacher's temperature for ``epsilon``. With several
    processes B counts the rows of all: two processes give what one gives for both their rows. Computed in float32.
    """
    log_q = scores.float() / epsilon
    prototypes = scores.shape[1]
    log_rows = math.log(float(distributed.total(torch.tensor(float(len(scores)), device=scores.device))))
    log_q = log_q - _log_column_sums(log_q).logsumexp(dim=0)
    for _ in range(iterations):
        log_q = log_q - _log_column_sums(log_q) - math.log(prototypes)
        log_q = log_q - log_q.logsumexp(dim=1, keepdim=True) - log_rows
    return (log_q + log_rows).exp()


def _log_column_sums(log_q: Tensor) -> Tensor:
    """Log of the sum of exp over the rows of all processes: (B, K) to (K,)."""
    if distributed.world_size() == 1:
        return log_q.logsumexp(dim=0)
    largest = distributed.largest(log_q.amax(dim=0))
    return distributed.total((log_q - largest).exp().sum(dim=0)).log() + largest
