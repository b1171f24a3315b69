"""The seam between the loop and the methods: what a method offers, and the small things that cross it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.optim import Optimizer

from training.optim.schedules import Schedules
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Recipe

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Length:
    """How long a training is: ``steps`` in all, ``per_epoch`` an epoch; ``batch`` pictures a step, all processes."""

    steps: int
    per_epoch: int
    batch: int
    pictures: int

    @property
    def epochs(self) -> int:
        """Epochs begun."""
        return -(-self.steps // self.per_epoch)

    def of_epochs(self, epochs: float) -> int:
        """Steps in so many epochs."""
        return round(epochs * self.per_epoch)


@dataclass(frozen=True)
class Moment:
    """Where a training stands: ``step``, ``epoch`` and the step ``in_epoch`` count from 0."""

    step: int
    epoch: int
    in_epoch: int


@dataclass(frozen=True)
class Outcome:
    """Of one forward pass: the loss to minimise, and figures to watch (detached scalars, ``loss`` among them)."""

    loss: Tensor
    figures: Mapping[str, Tensor]


class Passes(Protocol):
    """What the loop lends to ``begin_round``: pictures, their order in an epoch, views of any, its precision."""

    @property
    def pictures(self) -> int:
        """Number N of training pictures."""

    @property
    def batch(self) -> int:
        """Pictures a step of this process."""

    def order(self, epoch: int) -> Ints:
        """The pictures that this process will see, in order."""

    @property
    def labels(self) -> Tensor | None:
        """Classes (N,) of the pictures, to compare with and never to learn from; ``None`` where there are none."""

    def crops(self, numbers: Ints, seed: int) -> Sequence[Tensor]:
        """Augmented views of some pictures: V tensors (B, 3, S, S)."""

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of the training, for networks."""

    def plain(self, numbers: Ints) -> Tensor:
        """Some pictures unaugmented: the central square of the size of a global crop, (B, 3, S, S)."""


class Method(nn.Module):
    """A training method. Its ``state_dict`` holds all it needs to go on; the loop calls the hooks below in their order.

    ``backbone_prefix`` and ``head_prefix`` say where in the state the network to export lies; ``uniform_entropy`` is
    the entropy of targets that say nothing, where that means collapse, and ``remedy`` what can be done against it;
    ``rounds`` in how many parts an epoch falls;
    ``private`` names entries of the state that differ between processes. The hooks do nothing unless a method
    needs them.
    """

    name: str
    backbone_prefix: str
    head_prefix: str
    uniform_entropy: float | None = None
    remedy: str = "lower --lr"
    rounds: int = 1
    private: tuple[str, ...] = ()

    def __init__(self, config: Any, recipe: Recipe | EditRecipe) -> None:
        super().__init__()
        self.config, self.recipe = config, recipe

    def schedules(self, length: Length) -> Schedules:
        """Learning rate and weight decay of every step."""
        raise NotImplementedError

    def optimizer(self) -> Optimizer:
        """Groups carry ``decayed``: whether they follow the weight-decay schedule."""
        raise NotImplementedError

    def start(self, length: Length) -> None:
        """Hear how long the training will be."""

    def order(self, epoch: int, rng: np.random.Generator) -> Ints | None:
        """Which pictures an epoch shows, in order; ``None`` for each once, shuffled."""

    def begin_round(self, moment: Moment, passes: Passes) -> Mapping[str, float]:
        """Prepare a round, an epoch or one of the equal parts that it has; returns figures for the log."""
        return {}

    def begin_step(self, moment: Moment) -> None:
        """Prepare a step."""

    def forward(self, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
        """``crops``: V tensors (B, 3, S, S), global ones first; ``numbers`` (B,): which pictures they are."""
        raise NotImplementedError

    def after_backward(self, moment: Moment) -> None:
        """Gradients are there and clipped; the optimiser has not moved yet."""

    def after_update(self, moment: Moment) -> None:
        """The optimiser has moved: teacher and centre follow."""

    def exported(self) -> nn.Module:
        """The backbone that is evaluated and exported."""
        raise NotImplementedError

    def adopt(self, backbone: Mapping[str, Tensor]) -> None:
        """Start from a backbone that has already learned."""
        raise NotImplementedError
