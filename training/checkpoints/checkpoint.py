"""Write and read checkpoints: config, weights, optimiser and random state in one file, written atomically."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from copysight.pictures.preprocess import Size
from copysight.system.durable import write_file
from training.networks import heads

FORMAT = 1
# torch.load raises almost any error on a file of another format, depending on the first byte.
READ_ERRORS = (
    OSError, RuntimeError, EOFError, UnpicklingError, KeyError, ValueError, IndexError, AttributeError, TypeError
)  # fmt: skip
NAME = "checkpoint.pt"
LICENCE = "Apache-2.0"
"""Licence of weights that this project's code trained from random ones."""
UNKNOWN = "unknown"
"""Licence of weights whose source does not say it, and method of weights that may be from anywhere."""


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint file.

    ``state`` is the method's whole state dict. ``config`` has the keys ``run``, ``method``, ``recipe`` and
    ``world_size``.
    """

    path: Path
    method: str
    backbone: str
    image_size: Size
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
        """Weights of the backbone to export under timm's names: the teacher's, if the method has a teacher."""
        return _with_prefix(self.state, self.backbone_prefix)

    @property
    def head_state(self) -> dict[str, Tensor]:
        """Weights of the head that belongs to the exported backbone."""
        return _with_prefix(self.state, self.head_prefix)

    @property
    def licence(self) -> str:
        """Licences of the weights from which the training started and of its teachers, or this project's."""
        sources = [self.training.get("started_from", {}), *self.training.get("taught_by", ())]
        licences = dict.fromkeys(str(source["licence"]) for source in sources if "licence" in source)
        return " and ".join(licences) or LICENCE

    @property
    def prototypes(self) -> Tensor | None:
        """Prototypes (K, D), L2-normalised rows; ``None`` if the head has none."""
        for key in ("last_layer.weight_v", "prototypes.0.weight"):
            if key in self.head_state:
                return nn.functional.normalize(self.head_state[key].float(), dim=1)
        return None

    @property
    def temperature(self) -> float | None:
        """Softmax temperature that turns the head's logits into assignments; ``None`` without prototypes."""
        config = self.config["method"]
        value = config.get("teacher_temperature", config.get("temperature"))
        return None if self.prototypes is None or value is None else float(value)

    def head_module(self) -> nn.Module | None:
        """The head in eval mode, features (B, D) to logits (B, K), minus DINO's centre; ``None`` without one."""
        head = heads.rebuild(self.head_state)
        if head is None:
            return None
        centre = self.state.get("centre")
        return (head if centre is None else nn.Sequential(head, heads.Shift(-centre))).eval()


def save(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically and fsync it."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **checkpoint}, buffer)
    write_file(path, buffer.getvalue())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint file, or the one in a run's folder, to the CPU.

    Raises ``CheckpointMismatch`` if the file cannot be read.
    """
    file = path / NAME if path.is_dir() else path
    try:
        return _read(file)
    except READ_ERRORS as error:
        raise CheckpointMismatch(
            f"{file} cannot be read as a Copysight checkpoint ({type(error).__name__}: {error}); give the folder of a "
            "run or its checkpoint.pt"
        ) from error


def _read(file: Path) -> Checkpoint:
    content = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError("not a checkpoint of this format version")
    return Checkpoint(path=file, **content)


def is_checkpoint(path: Path) -> bool:
    """Whether ``save`` wrote the file: a torch archive with a format number and a backbone prefix."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except READ_ERRORS:
        return False
    return isinstance(content, dict) and "format" in content and "backbone_prefix" in content


def _with_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
