"""What a training says while it runs: one JSON line per event in the run's folder, and a short line for people."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor


@dataclass
class Meter:
    """Means of figures and the rate of pictures since the last time they were taken."""

    pictures: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._since = time.perf_counter()

    def add(self, figures: Mapping[str, Tensor], pictures: int) -> None:
        """Add a step's figures; tensors stay on their device until ``take``."""
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self.pictures += pictures
        self.steps += 1

    def take(self) -> dict[str, float]:
        """Means and images/s since the last call; starts anew."""
        means = {name: float(value) / max(self.steps, 1) for name, value in self._sums.items()}
        means["images_per_s"] = self.pictures / max(time.perf_counter() - self._since, 1e-9)
        self.pictures = self.steps = 0
        self.__post_init__()
        return means


@dataclass(frozen=True)
class Journal:
    """``log.jsonl`` in ``directory``, and ``say`` for people. Silent when ``directory`` is ``None``."""

    directory: Path | None
    say: Callable[[str], None]
    tensorboard: bool = False

    def write(self, kind: str, **values: object) -> None:
        """Record an event."""
        if self.directory is None:
            return
        with (self.directory / "log.jsonl").open("a") as file:
            file.write(json.dumps({"kind": kind, "time": round(time.time(), 2), **values}) + "\n")
        self.say(f"{kind:9}" + "  ".join(f"{name} {_short(value)}" for name, value in values.items()))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
