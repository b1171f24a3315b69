"""Reduce, gather and broadcast over the processes of a training, and wait for them; alone, these change nothing."""

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if _is_distributed() else 1


def rank() -> int:
    """Rank of this process, from 0."""
    return dist.get_rank() if _is_distributed() else 0


@torch.no_grad()
def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum of ``x`` over processes, the same on each. ``x`` itself does not change."""
    if not _is_distributed():
        return x
    x = x.clone()
    dist.all_reduce(x)
    return x


@torch.no_grad()
def all_gather(x: Tensor) -> Tensor:
    """Concatenate the ``x`` of all processes by rank. All must have the same shape."""
    if not _is_distributed():
        return x
    parts = [torch.empty_like(x) for _ in range(world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


@torch.no_grad()
def broadcast(x: Tensor) -> Tensor:
    """The ``x`` of rank 0, on every process."""
    if not _is_distributed():
        return x
    x = x.clone()
    dist.broadcast(x, 0)
    return x


@torch.no_grad()
def all_reduce_max(x: Tensor) -> Tensor:
    """Elementwise maximum of ``x`` over processes, the same on each."""
    if not _is_distributed():
        return x
    x = x.clone()
    dist.all_reduce(x, op=dist.ReduceOp.MAX)
    return x


def any_process(*flags: bool) -> list[bool]:
    """For each flag, whether it is set on any process. Clocks differ, but all must log, save and stop together."""
    if not _is_distributed():
        return list(flags)
    device = f"cuda:{torch.cuda.current_device()}" if dist.get_backend() == "nccl" else "cpu"
    counts = all_reduce_sum(torch.tensor(flags, dtype=torch.float32, device=device))
    return [count > 0 for count in counts.tolist()]


def wait() -> None:
    """Wait until all processes are here."""
    if _is_distributed():
        dist.barrier()


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
