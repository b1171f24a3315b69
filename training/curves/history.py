"""Read the log of a run: a series for each metric, and the facts of the run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copysight.errors import InvalidArgument

LOG = "log.jsonl"
METRICS = {
    "loss": "loss",
    "entropy": "entropy of the targets (nats)",
    "lr": "learning rate",
    "images_per_s": "images/s",
}
"""Metrics of the lines ``step`` that are drawn, and the names of their panels."""
KNN = "k-NN top-1"


@dataclass
class Series:
    """Values ``y`` of a metric; ``x``: pictures seen before each; ``steps``: their steps, rising."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def add(self, step: int, pictures: float, value: float) -> None:
        """Add a value."""
        self.steps.append(step)
        self.x.append(pictures)
        self.y.append(value)

    def cut(self, step: int) -> None:
        """Forget the values of ``step`` and later ones: a killed run does these steps again."""
        while self.steps and self.steps[-1] >= step:
            for values in (self.steps, self.x, self.y):
                values.pop()


@dataclass(frozen=True)
class History:
    """What a log tells. ``panels``: panel -> name of a line in it (``""``, or a labelled set) -> its series.

    ``facts``: the last value of ``run``, ``step`` and of the line that ended the run, by kind; empty if there is none.
    """

    name: str
    panels: Mapping[str, Mapping[str, Series]]
    facts: Mapping[str, Mapping[str, Any]]

    def last(self, panel: str) -> float | None:
        """The last value of a panel; of the k-NN accuracies, that of the first set."""
        lines = [line for line in self.panels[panel].values() if line.y]
        return lines[0].y[-1] if lines else None

    @property
    def state(self) -> str:
        """Whether the run is done, was stopped, or runs (or was killed)."""
        ends = [(self.facts[kind]["time"], kind) for kind in ("done", "stopped") if self.facts[kind]]
        last = max(ends, default=(0.0, ""))
        return last[1] if last[0] >= self.facts["step"].get("time", 0.0) else "running, or killed"


def read(path: Path) -> History:
    """Read the log of a run's folder, also while it is written. Raises ``InvalidArgument`` if there is none."""
    file = path if path.is_file() else path / LOG
    panels: dict[str, dict[str, Series]] = {panel: {} for panel in (*METRICS.values(), KNN)}
    facts: dict[str, Mapping[str, Any]] = {kind: {} for kind in ("run", "pictures", "step", "done", "stopped")}
    for event in _events(file):
        kind = event.get("kind")
        if kind in facts:
            facts[kind] = event
        if kind in {"step", "probe"}:
            _cut(panels, event["step"], kind)
            _add(panels, event, kind)
    if not facts["step"]:
        raise InvalidArgument(f"{file} has no step of a training; give the folder of a run")
    return History(str(path), panels, facts)


def _events(file: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be read ({error.strerror}); give the folder of a run") from error
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # cut short by a kill
            continue
        if isinstance(event, dict):
            yield event


def _cut(panels: Mapping[str, Mapping[str, Series]], step: int, kind: str) -> None:
    for panel, lines in panels.items():
        for line in lines.values():
            # A probe of a step comes after the line of that step.
            line.cut(step if (panel == KNN) == (kind == "probe") else step + 1)


def _add(panels: Mapping[str, dict[str, Series]], event: Mapping[str, Any], kind: str) -> None:
    if kind == "probe":
        panels[KNN].setdefault(event["set"], Series()).add(event["step"], event["pictures"], event["top1"])
        return
    for metric, panel in METRICS.items():
        if isinstance(value := event.get(metric), int | float):
            panels[panel].setdefault("", Series()).add(event["step"], event["pictures"], value)
