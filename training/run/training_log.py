"""Log of a training: one JSON line per event in the run's folder, one short line on the terminal."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from copysight.errors import InvalidArgument
from training import distributed

CPU = torch.device("cpu")
Scalars = Callable[[str, float, int], None]
"""Writes one metric: name, value and step."""


@dataclass
class Meter:
    """Averages metrics, and measures pictures per second, between two calls of ``take``."""

    pictures: int = 0
    steps: int = 0
    _sums: dict[str, Tensor | float] = field(default_factory=dict)
    _since: float = field(default_factory=time.perf_counter)

    def add(self, metrics: Mapping[str, Tensor], pictures: int) -> None:
        """Add the metrics of a step. Tensors stay on their device until ``take``."""
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self.pictures += pictures
        self.steps += 1

    def take(self, device: torch.device = CPU) -> dict[str, float]:
        """Return means over steps and processes, and images/s, since the last call; then reset."""
        sums = torch.tensor([float(value) for value in self._sums.values()], device=device)
        shares = distributed.all_reduce_sum(sums) / (max(self.steps, 1) * distributed.world_size())
        means = dict(zip(self._sums, shares.tolist(), strict=True))
        means["images_per_s"] = self.pictures / max(time.perf_counter() - self._since, 1e-9)
        self.pictures = self.steps = 0
        self._sums, self._since = {}, time.perf_counter()
        return means


@dataclass(frozen=True)
class TrainingLog:
    """Writes ``log.jsonl`` in ``directory`` and prints with ``echo``; does nothing if ``directory`` is ``None``."""

    directory: Path | None
    echo: Callable[[str], None]
    scalars: Scalars | None = None

    def write(self, kind: str, **values: object) -> None:
        """Write an event of a ``kind`` with its values."""
        if self.directory is None:
            return
        self._record(self.directory, kind, values)
        if self.scalars is not None:
            for name, value in values.items():
                if isinstance(value, float):
                    self.scalars(
                        "/".join(filter(None, (kind, str(values.get("set", "")), name))),
                        value,
                        int(str(values.get("step", 0))),
                    )
        self.echo(f"{kind:9}" + "  ".join(_named(name, value) for name, value in values.items()))

    def say(self, line: str) -> None:
        """Print a line that is no event."""
        if self.directory is not None:
            self.echo(line)

    def write_lines(self, kind: str, lines: Sequence[str], **values: object) -> None:
        """Write an event with its values, and print ``lines`` for it."""
        if self.directory is None:
            return
        self._record(self.directory, kind, values)
        for number, line in enumerate(lines):
            self.echo(f"{'' if number else kind:9}{line}")

    def _record(self, directory: Path, kind: str, values: Mapping[str, object]) -> None:
        with (directory / "log.jsonl").open("a") as file:
            event = {"kind": kind, "time": round(time.time(), 2), **values}
            file.write(json.dumps({name: _plain(value) for name, value in event.items()}) + "\n")


def tensorboard_writer(directory: Path) -> Scalars:
    """Function that writes TensorBoard events to ``directory``. Raises ``InvalidArgument`` without the package."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        raise InvalidArgument(
            "--tensorboard needs the package tensorboard, which is not installed; run: pip install tensorboard"
        ) from error
    writer = SummaryWriter(str(directory))
    return writer.add_scalar


def _named(name: str, value: object) -> str:
    if name == "remaining_minutes" and isinstance(value, float):
        return f"remaining {time_in_words(value)}"
    return f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"


def time_in_words(minutes: float) -> str:
    """A span of time with the two largest units that it has: days, hours, minutes or seconds."""
    seconds = round(minutes * 60)
    for unit, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // part} {below}"
    return f"{seconds} s"


def _plain(value: object) -> object:
    """JSON has no numbers that are not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
