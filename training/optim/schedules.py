"""Learning-rate, weight-decay and temperature schedules: one float64 value for each step or epoch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Schedules:
    """Learning rate and weight decay of every step, (steps,) each."""

    lr: Floats
    weight_decay: Floats


def cosine(base: float, final: float, steps: int, warmup: int = 0, start: float = 0.0) -> Floats:
    """Linear from ``start`` to ``base`` over ``warmup`` steps (both ends included), then half a cosine to ``final``.

    ``base`` occurs twice and ``final`` is never reached, as in the released code of DINO and of SwAV. Raises
    ``InvalidArgument`` if the warm-up is longer than the training.
    """
    _check(steps, warmup)
    position = np.arange(steps - warmup)
    fall = final + 0.5 * (base - final) * (1 + np.cos(np.pi * position / max(len(position), 1)))
    return np.concatenate([np.linspace(start, base, warmup), fall])


def teacher_temperature(warm: float, final: float, warmup_epochs: int, epochs: int) -> Floats:
    """DINO's teacher temperature, one value per EPOCH: linear over the warm-up (both ends included), then constant."""
    values = np.full(max(epochs, 1), final)
    ramp = np.linspace(warm, final, warmup_epochs)[: len(values)]
    values[: len(ramp)] = ramp
    return values


def _check(steps: int, warmup: int) -> None:
    if warmup > steps:
        raise InvalidArgument(
            f"got a warm-up of {warmup} steps in a training of {steps} steps; lower --warmup-epochs or raise --epochs"
        )
