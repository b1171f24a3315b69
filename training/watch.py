"""Stops a training that can no longer learn."""

import math
from collections.abc import Mapping

from torch import Tensor

from copysight.errors import TrainingDiverged

UNIFORM, SINGLE = 0.999, 0.001
"""Shares of ln K beyond which the mean entropy of the targets says nothing any more. A fresh DINO head starts at about
.85 of it."""


class Watch:
    """Looks at every step's figures. ``patience``: steps of collapse before it raises; 0: collapse is allowed."""

    def __init__(self, patience: int) -> None:
        self.patience, self._bad = patience, 0

    def check(self, step: int, figures: Mapping[str, Tensor], uniform: float | None) -> None:
        """Raise ``TrainingDiverged`` on a loss that is not finite, or after ``patience`` steps of collapsed targets."""
        loss = float(figures["loss"])
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {step}; the last checkpoint is sound: lower --lr, use --precision fp32, "
                "or set --clip",
                step=step,
            )
        if not self.patience or uniform is None or "entropy" not in figures:
            return
        share = float(figures["entropy"]) / uniform
        self._bad = self._bad + 1 if share > UNIFORM or share < SINGLE else 0
        if self._bad >= self.patience:
            kind = "uniform" if share > UNIFORM else "one and the same prototype"
            raise TrainingDiverged(
                f"the targets have been {kind} for {self._bad} steps (entropy {share:.4f} of ln K): nothing is "
                "learned; lower the teacher's temperature, add --koleo 0.1, or use --centring sinkhorn",
                step=step,
            )
