"""Stops a training that can no longer learn."""

import math
from collections.abc import Mapping

from torch import Tensor

from copysight.errors import TrainingDiverged

UNIFORM, SINGLE = 0.999, 0.001
"""Shares of ln K beyond which the mean entropy of the targets says nothing any more. A fresh DINO head starts at about
.85 of it."""


class Watch:
    """Looks at every step's figures. ``patience``: steps of collapse before it raises; 0: collapse is allowed.

    Collapse is targets that say nothing (``entropy``), or one prototype for a whole batch (``used``); a method reports
    what it has.
    """

    def __init__(self, patience: int) -> None:
        self.patience, self._bad = patience, 0

    def check(self, step: int, figures: Mapping[str, Tensor], uniform: float | None, remedy: str = "") -> None:
        """Raise ``TrainingDiverged`` on a loss that is not finite, or after ``patience`` steps of collapse.

        ``uniform``: entropy of targets that say nothing; ``remedy``: what the method can do against collapse.
        """
        loss = float(figures["loss"])
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {step}; the last checkpoint is sound: lower --lr, use --precision fp32, "
                "or set --clip",
                step=step,
            )
        kind = _collapsed(figures, uniform) if self.patience else None
        self._bad = self._bad + 1 if kind else 0
        if kind and self._bad >= self.patience:
            raise TrainingDiverged(f"{kind} for {self._bad} steps: nothing is learned; {remedy}", step=step)


def _collapsed(figures: Mapping[str, Tensor], uniform: float | None) -> str | None:
    """In which way the figures of one step are those of a collapse, in words."""
    if "used" in figures and float(figures["used"]) <= 1:
        return "all pictures of a batch have been given one and the same prototype"
    if uniform is None or "entropy" not in figures:
        return None
    share = float(figures["entropy"]) / uniform
    if share > UNIFORM:
        return f"the targets have been uniform (entropy {share:.4f} of ln K)"
    # Where prototypes are counted, the count decides: codes of a SwAV that learns well are as sharp as these.
    if share < SINGLE and "used" not in figures:
        return f"the targets have been one and the same prototype (entropy {share:.4f} of ln K)"
    return None
