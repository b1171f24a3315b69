"""Compile the networks of a training with ``torch.compile``, where there is a compiler."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

MODES = {"off": None, "default": "default", "graphs": "reduce-overhead"}
"""Values of ``--compile``, and torch's modes. ``graphs`` records CUDA graphs; on a CPU it is ``default``."""


def compile_networks(
    networks: Sequence[nn.Module], mode: str, device: torch.device, say: Callable[[str], None]
) -> bool:
    """Compile networks in place, by a key of ``MODES``; names in their state stay. True if they are compiled.

    Each shape of input is compiled at its first step. Where no program can be compiled, ``say`` gets one line with the
    reason, and the networks stay as they are.
    """
    if MODES[mode] is None:
        return False
    if (reason := fault(device)) is not None:
        say(f"--compile {mode}: this machine cannot compile for {device.type} ({reason}); training without it")
        return False
    for network in networks:
        network.compile(mode=MODES[mode], dynamic=False)
    return True


def fault(device: torch.device) -> str | None:
    """Why torch cannot compile for ``device``, in one line; ``None`` if it can. A tiny program is compiled and run."""
    try:
        torch.compile(_program)(torch.ones(8, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        return str(error).strip().split("\n", maxsplit=1)[0][:200]
    return None


def uncompiled(network: nn.Module) -> AbstractContextManager[Any]:
    """Context in which a compiled network runs as written: another shape of input would be compiled for one use."""
    return nullcontext() if network._compiled_call_impl is None else torch.compiler.set_stance("force_eager")


def _program(x: Tensor) -> Tensor:
    return (x * 2 + 1).relu().sum()
