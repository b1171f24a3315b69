"""Base class of training methods: the hooks that the loop calls, and the types that they exchange."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.optim import Optimizer

from copysight.pictures.preprocess import Size
from training.optim.schedules import Schedules
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Recipe

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Length:
    """Length of a training: ``steps`` in total, ``per_epoch`` in an epoch, ``batch`` pictures per global step."""

    steps: int
    per_epoch: int
    batch: int
    pictures: int

    @property
    def epochs(self) -> int:
        """Number of epochs, rounded up."""
        return -(-self.steps // self.per_epoch)

    def of_epochs(self, epochs: float) -> int:
        """Number of steps in ``epochs`` epochs, rounded."""
        return round(epochs * self.per_epoch)


@dataclass(frozen=True)
class Progress:
    """Position in a training; ``step``, ``epoch`` and ``step_in_epoch`` count from 0."""

    step: int
    epoch: int
    step_in_epoch: int


@dataclass(frozen=True)
class StepOutput:
    """Result of a forward pass: the loss, and metrics for the log (detached scalars; ``loss`` is one of them)."""

    loss: Tensor
    metrics: Mapping[str, Tensor]


class TrainingData(Protocol):
    """Training data for ``begin_round``: all pictures, their order in an epoch, views of them, and the precision."""

    @property
    def pictures(self) -> int:
        """Number N of training pictures."""

    @property
    def batch(self) -> int:
        """Pictures per step of this process."""

    def order(self, epoch: int) -> Ints:
        """Indices of the pictures that this process uses in ``epoch``, in order."""

    @property
    def labels(self) -> Tensor | None:
        """Classes (N,) of the pictures, for metrics only, never for training; ``None`` without labels."""

    def crops(self, indices: Ints, seed: int) -> Sequence[Tensor]:
        """Augmented views of the pictures ``indices`` (B,): V tensors (B, 3, S, S)."""

    def autocast(self) -> AbstractContextManager[object]:
        """Context in which networks run at the precision of the training."""

    def plain(self, indices: Ints) -> Tensor:
        """The pictures ``indices`` (B,) without augmentation: central squares at the global size, (B, 3, S, S)."""


def crop_sizes(recipe: Recipe | None, image_size: Size) -> list[Size]:
    """The sizes of the crops of a recipe; ``image_size`` without one, for a method that is only asked for losses."""
    return [image_size] if recipe is None else [crops.size for crops in recipe.crops]


class Method(nn.Module):
    """A training method. The loop calls the hooks below in their order; by default a hook does nothing.

    The ``state_dict`` holds everything that a resumed training needs.
    ``backbone_prefix``, ``head_prefix``: where the network to export is in the state.
    ``uniform_entropy``: entropy of uniform targets, if uniform targets mean collapse; else ``None``.
    ``remedy``: what a user can change against collapse.
    ``rounds``: number of equal parts of an epoch; ``begin_round`` is called at the start of each.
    ``per_process``: names in the state whose values differ between processes.
    ``started_from``: name, kind and licence of the weights that the training started from; empty for random weights.
    ``taught_by``: name, id and licence of the frozen networks that it learns from.
    """

    name: str
    backbone_prefix: str
    head_prefix: str
    uniform_entropy: float | None = None
    remedy: str = "lower --lr"
    rounds: int = 1
    per_process: tuple[str, ...] = ()
    started_from: Mapping[str, str] = {}
    taught_by: Sequence[Mapping[str, str]] = ()

    def __init__(self, config: Any, recipe: Recipe | EditRecipe) -> None:
        super().__init__()
        self.config, self.recipe = config, recipe

    def schedules(self, length: Length) -> Schedules:
        """Learning rate and weight decay of every step."""
        raise NotImplementedError

    def optimizer(self) -> Optimizer:
        """The optimiser. Each parameter group has ``decayed``: whether it follows the weight-decay schedule."""
        raise NotImplementedError

    def start(self, length: Length) -> None:
        """Prepare for a training of this length; raise if it cannot work."""

    def scheduled(self, progress: Progress) -> Mapping[str, float]:
        """Other values than learning rate and weight decay that follow a schedule, at a step; call ``start`` before."""
        return {}

    def order(self, epoch: int, rng: np.random.Generator) -> Ints | None:
        """Indices of the pictures of an epoch, in order; ``None`` uses each picture once, shuffled."""

    def recipe_at(self, step: int) -> Recipe | EditRecipe:
        """The recipe of the views of a step. A thread may ask for the next step while this one runs."""
        return self.recipe

    def begin_round(self, progress: Progress, data: TrainingData) -> Mapping[str, float]:
        """Prepare a round: an epoch, or one of its ``rounds`` equal parts. Returns metrics for the log."""
        return {}

    def begin_step(self, progress: Progress) -> None:
        """Prepare a step."""

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Loss of a batch. ``crops``: V tensors (B, 3, S, S), global crops first; ``indices`` (B,) of the pictures."""
        raise NotImplementedError

    def after_backward(self, progress: Progress) -> None:
        """Change the clipped gradients before the optimiser step."""

    def after_update(self, progress: Progress) -> None:
        """Update what follows the weights after the optimiser step, such as teacher and centre."""

    def exported_backbone(self) -> nn.Module:
        """The backbone to evaluate and export."""
        raise NotImplementedError

    def trained_networks(self) -> Sequence[nn.Module]:
        """The networks that a step runs, to compile them. By default the backbone."""
        return (self.exported_backbone(),)

    def load_backbone(self, backbone: Mapping[str, Tensor]) -> None:
        """Initialise the backbone with the weights of a pretrained one."""
        raise NotImplementedError

    def load_head(self, rest: Mapping[str, Tensor]) -> Sequence[str]:
        """Initialise more than the backbone from the other tensors of its source; returns the names of those used.

        By default none: prototypes and projections belong to the pictures and the method that made them.
        """
        return ()
