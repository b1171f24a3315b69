"""The seam between the loop and the methods: what a method must offer, and the small things that cross it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.optim import Optimizer

from training.augment import Recipe
from training.schedules import Schedules


@dataclass(frozen=True)
class Length:
    """How long a training is: ``steps`` in all, ``per_epoch`` of them an epoch, ``batch`` pictures a step, all ranks."""

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
    """Where a training stands: ``step`` and ``epoch`` count from 0."""

    step: int
    epoch: int


@dataclass(frozen=True)
class Outcome:
    """Of one forward pass: the loss to minimise, and figures to watch (detached scalars)."""

    loss: Tensor
    figures: Mapping[str, Tensor]


class Method(Protocol):
    """A training method. It is also an ``nn.Module``: ``forward(crops, numbers)`` gives an ``Outcome``.

    ``crops``: V tensors (B, 3, S, S), global ones first; ``numbers`` (B,): which pictures they are. ``state_dict`` holds
    all it needs to go on. ``backbone_prefix`` and ``head_prefix`` say where in it the network to export lies.
    """

    name: str
    config: Any
    recipe: Recipe
    uniform_entropy: float | None
    backbone_prefix: str
    head_prefix: str

    def schedules(self, length: Length) -> Schedules: ...  # noqa: D102

    def optimizer(self) -> Optimizer: ...  # noqa: D102

    def start(self, length: Length) -> None:
        """Hear how long the training will be."""

    def order(self, epoch: int, rng: np.random.Generator) -> npt.NDArray[np.int64] | None:
        """Which pictures an epoch shows, in order; ``None`` for each once, shuffled."""

    def begin_epoch(self, epoch: int, passes: "Passes") -> Mapping[str, float]:
        """Prepare an epoch; returns figures for the log."""

    def begin_step(self, moment: Moment) -> None:
        """Prepare a step."""

    def after_backward(self, moment: Moment) -> None:
        """Gradients are there and clipped; the optimiser has not moved yet."""

    def after_update(self, moment: Moment) -> None:
        """The optimiser has moved: teacher and centre follow."""

    def exported(self) -> nn.Module:
        """The backbone that is evaluated and exported."""


class Passes(Protocol):
    """What the loop lends to ``begin_epoch``: the pictures of the coming epoch, and views of any of them."""

    @property
    def pictures(self) -> int:
        """Number N of training pictures."""

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The pictures that this process will see, in order."""

    def crops(self, numbers: npt.NDArray[np.int64], seed: int) -> Sequence[Tensor]:
        """Augmented views of some pictures: V tensors (B, 3, S, S)."""
