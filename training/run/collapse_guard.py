"""Stop a training whose loss diverges or whose targets collapse."""

import math
from collections.abc import Mapping

from torch import Tensor

from copysight.errors import TrainingDiverged

MAX_ENTROPY_SHARE, MIN_ENTROPY_SHARE = 0.999, 0.001
"""Limits for the mean entropy of the targets as a share of ln K; outside them the targets are useless. An untrained
DINO head starts at about 0.85."""


class CollapseGuard:
    """Check the metrics of every step. ``patience``: steps of collapse before it raises; 0 never raises on collapse.

    Collapse means uniform or constant targets (metric ``entropy``), or one prototype for a whole batch (metric
    ``used``). Only metrics that the method reports are checked.
    """

    def __init__(self, patience: int) -> None:
        self.patience, self._collapsed_steps = patience, 0

    def check(self, step: int, metrics: Mapping[str, Tensor], uniform: float | None, remedy: str = "") -> None:
        """Raise ``TrainingDiverged`` on a loss that is not finite, or after ``patience`` steps of collapse.

        ``uniform``: entropy of uniform targets, or ``None``. ``remedy``: what the message advises against collapse.
        """
        loss = float(metrics["loss"])
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {step}; lower --lr, use --precision fp32, or set --clip. The last "
                "checkpoint is not affected",
                step=step,
            )
        kind = _collapsed(metrics, uniform) if self.patience else None
        self._collapsed_steps = self._collapsed_steps + 1 if kind else 0
        if kind and self._collapsed_steps >= self.patience:
            raise TrainingDiverged(
                f"the training has collapsed: {kind} for {self._collapsed_steps} steps; {remedy}", step=step
            )


def _collapsed(metrics: Mapping[str, Tensor], uniform: float | None) -> str | None:
    """The kind of collapse that the metrics of one step show, in words; ``None`` without collapse."""
    if "used" in metrics and float(metrics["used"]) <= 1:
        return "all pictures of a batch had the same prototype"
    if uniform is None or "entropy" not in metrics:
        return None
    share = float(metrics["entropy"]) / uniform
    if share > MAX_ENTROPY_SHARE:
        return f"the targets were uniform (entropy {share:.4f} of ln K)"
    # If the method counts used prototypes, the count decides: the codes of a good SwAV training are as sharp as this.
    if share < MIN_ENTROPY_SHARE and "used" not in metrics:
        return f"the targets were always the same prototype (entropy {share:.4f} of ln K)"
    return None
