"""Stop a training whose loss stays not finite, or whose targets collapse."""

from collections.abc import Mapping

from torch import Tensor

from copysight.errors import TrainingDiverged

MAX_ENTROPY_SHARE, MIN_ENTROPY_SHARE = 0.999, 0.001
"""Limits for the mean entropy of the targets as a share of ln K; outside them the targets are useless. An untrained
DINO head starts at about 0.85."""
REMEDY = "resume with --precision fp32 or a smaller --clip, or start another run with a lower --lr"
MAX_SKIPPED = 10
"""Skipped steps IN A ROW that stop a training. A network that diverged never gives a finite loss again, and a long
training in half precision may overflow now and then."""


class CollapseGuard:
    """Check every step. ``patience``: steps of collapse before it raises; 0 never raises on collapse.

    Collapse means uniform or constant targets (metric ``entropy``), or one prototype for a whole batch (metric
    ``used``). Only metrics that the method reports are checked. ``skipped_in_a_row``: number of last steps that were
    skipped because their loss or gradient was not finite.
    """

    def __init__(self, patience: int) -> None:
        self.patience, self._collapsed_steps, self.skipped_in_a_row = patience, 0, 0

    def skip(self, step: int) -> None:
        """Count a skipped step. Raises ``TrainingDiverged`` at the tenth in a row."""
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= MAX_SKIPPED:
            raise TrainingDiverged(
                f"the loss or its gradient was not finite in {MAX_SKIPPED} steps in a row (steps "
                f"{step - MAX_SKIPPED + 1} to {step}); {REMEDY}",
                step=step,
            )

    def check(self, step: int, metrics: Mapping[str, Tensor], uniform: float | None, remedy: str = "") -> None:
        """Raise ``TrainingDiverged`` after ``patience`` steps of collapse.

        ``uniform``: entropy of uniform targets, or ``None``. ``remedy``: what the message advises against collapse.
        """
        self.skipped_in_a_row = 0
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
