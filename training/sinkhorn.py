"""Sinkhorn-Knopp in the log domain."""

import math

import torch
from torch import Tensor


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int = 3) -> Tensor:
    """(B, K) scores to assignments (B, K), rows sum to 1."""
    log_q = scores / epsilon
    for _ in range(iterations):
        log_q = log_q - log_q.logsumexp(dim=0, keepdim=True) - math.log(scores.shape[1])
        log_q = log_q - log_q.logsumexp(dim=1, keepdim=True) - math.log(scores.shape[0])
    return log_q.exp() * scores.shape[0]
