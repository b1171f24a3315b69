"""Checkpoints that describe themselves: config, network, method, optimiser, random state; written atomically."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from copysight.system.durable import write_file
from training.networks import heads

FORMAT = 1
# What torch raises on a file that is not its own; by the first byte, it may be nearly anything.
UNREADABLE = (
    OSError, RuntimeError, EOFError, UnpicklingError, KeyError, ValueError, IndexError, AttributeError, TypeError
)  # fmt: skip
NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds. ``state``: all of the method; ``config``: ``run``, ``method``, ``recipe``."""

    path: Path
    method: str
    backbone: str
    image_size: int
    step: int
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    state: Mapping[str, Tensor]
    backbone_prefix: str
    head_prefix: str
    optimizer: Mapping[str, Any]
    random: Mapping[str, Tensor]

    @property
    def backbone_state(self) -> dict[str, Tensor]:
        """Weights of the network to export (the teacher's, where there is one) under timm's names."""
        return _under(self.state, self.backbone_prefix)

    @property
    def head_state(self) -> dict[str, Tensor]:
        """Weights of the head that belongs to it."""
        return _under(self.state, self.head_prefix)

    @property
    def prototypes(self) -> Tensor | None:
        """Prototypes (K, d), rows of length 1, or ``None``."""
        for key in ("last_layer.weight_v", "prototypes.0.weight"):
            if key in self.head_state:
                return nn.functional.normalize(self.head_state[key].float(), dim=1)
        return None

    @property
    def temperature(self) -> float | None:
        """Temperature at which a softmax of the head's logits is an assignment."""
        known = self.config["method"]
        value = known.get("teacher_temperature", known.get("temperature"))
        return None if self.prototypes is None or value is None else float(value)

    def head_module(self) -> nn.Module | None:
        """The head in eval mode, feature (B, D) to logits (B, K), DINO's centre subtracted; ``None`` without one."""
        head = heads.rebuild(self.head_state)
        if head is None:
            return None
        centre = self.state.get("centre")
        return (head if centre is None else nn.Sequential(head, heads.Shift(-centre))).eval()


def save(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically and durably."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **checkpoint}, buffer)
    write_file(path, buffer.getvalue())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint file, or the one in a run's folder, to the CPU. Raises ``CheckpointMismatch``."""
    file = path / NAME if path.is_dir() else path
    try:
        return _read(file)
    except UNREADABLE as error:
        raise CheckpointMismatch(
            f"{file} cannot be read as a checkpoint of this program ({type(error).__name__}: {error}); give a run's "
            "folder or its checkpoint.pt"
        ) from error


def _read(file: Path) -> Checkpoint:
    content = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError("not a checkpoint of this format version")
    return Checkpoint(path=file, **content)


def is_ours(path: Path) -> bool:
    """Whether a file was written by ``save``: a torch archive that holds our format number."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE:
        return False
    return isinstance(content, dict) and "format" in content and "backbone_prefix" in content


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
