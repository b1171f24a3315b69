"""Sums over all processes of a training; without a process group, the identity."""

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if _together() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if _together() else 0


@torch.no_grad()
def total(x: Tensor) -> Tensor:
    """Sum of ``x`` over processes, the same on each; ``x`` itself is left alone."""
    if not _together():
        return x
    x = x.clone()
    dist.all_reduce(x)
    return x


@torch.no_grad()
def concatenate(x: Tensor) -> Tensor:
    """The processes' ``x``, of equal shape, one after the other in the order of their ranks."""
    if not _together():
        return x
    parts = [torch.empty_like(x) for _ in range(world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


@torch.no_grad()
def from_first(x: Tensor) -> Tensor:
    """The first process's ``x``, on every process."""
    if not _together():
        return x
    x = x.clone()
    dist.broadcast(x, 0)
    return x


@torch.no_grad()
def largest(x: Tensor) -> Tensor:
    """Elementwise maximum of ``x`` over processes, the same on each."""
    if not _together():
        return x
    x = x.clone()
    dist.all_reduce(x, op=dist.ReduceOp.MAX)
    return x


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()
