"""Extend a training: continue with more epochs than it had, and say what that changes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from training.methods.method import Length, Method, Progress
from training.run.plan import Plan

NOTE = (
    "the schedules are those of a training of the new length, from this step on; a training that had this length from "
    "its start had other values before"
)


@dataclass(frozen=True)
class Extension:
    """From ``before`` to ``epochs`` at ``step`` of ``steps``; ``changes``: values of this step before and now."""

    before: float
    epochs: float
    step: int
    steps: int
    changes: Mapping[str, tuple[float, float]]

    def lines(self) -> list[str]:
        """What changes, for the log."""
        changes = ", ".join(f"{name} {then:.4g} -> {now:.4g}" for name, (then, now) in self.changes.items())
        first = f"from {self.before:g} to {self.epochs:g} epochs, at step {self.step} of now {self.steps}"
        return [f"{first}: {changes or 'no schedule changes'}", NOTE]

    def to_json(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "epochs_before": self.before,
            "epochs": self.epochs,
            "step": self.step,
            "of": self.steps,
            "changes": {name: list(values) for name, values in self.changes.items()},
        }


def extension(method: Method, plan: Plan, before: float, step: int, pictures: int) -> Extension | None:
    """What more epochs than ``before`` change at ``step``, where a training goes on; ``None`` if they are no more.

    Afterwards ``method`` is prepared for the new length.
    """
    if plan.epochs <= before:
        return None
    old = _values(method, replace(plan, epochs=before).length(pictures), step)
    length = plan.length(pictures)
    new = _values(method, length, step)
    changes = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    return Extension(before, plan.epochs, step, length.steps, changes)


def _values(method: Method, length: Length, step: int) -> dict[str, float]:
    """The scheduled values of ``step``, or of the last step of a training that is shorter."""
    step = min(step, length.steps - 1)
    schedules = method.schedules(length)
    method.start(length)
    values = {"learning rate": float(schedules.lr[step]), "weight decay": float(schedules.weight_decay[step])}
    return {**values, **method.scheduled(Progress(step, *divmod(step, length.per_epoch)))}
