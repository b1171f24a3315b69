"""Run one step of ``benchmarks.gpu`` in this process and print its line of JSON."""

import importlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOMES = {
    "proofs": ("parity", "resume", "nccl", "export", "service", "faiss"),
    "speed": ("pipeline", "training", "compiled", "embedding", "search"),
    "trainings": ("descriptor", "dense"),
}


class NotRun(Exception):
    """What a step needs is missing on this machine."""


@dataclass(frozen=True)
class Training:
    """How long and on what to train. Paths may be empty.

    ``pictures``: folder, tar or list; drawn ones without. ``runs``: folder in which runs and decoded pictures stay.
    ``keep``: folder for weights and checkpoint. ``since``: such a folder of an earlier call. ``options``: more options
    of ``copysight train``.
    """

    seconds: float = 240.0
    pictures: str = ""
    runs: str = ""
    keep: str = ""
    since: str = ""
    options: str = ""


@dataclass(frozen=True)
class Setting:
    """Where a step runs: torch ``device``, whether all sizes are ``tiny``, and a ``scratch`` folder."""

    device: str
    tiny: bool
    scratch: Path
    training: Training = Training()

    @property
    def provider(self) -> str:
        """Execution provider of ONNX Runtime on this device."""
        return "cuda" if self.device.startswith("cuda") else "cpu"

    def pick(self, tiny: int, full: int) -> int:
        """A size."""
        return tiny if self.tiny else full


def main() -> None:
    """Run the step that the command line names."""
    name, device, size, training = sys.argv[1:5]
    with tempfile.TemporaryDirectory() as scratch:
        found = run(name, Setting(device, size == "tiny", Path(scratch), Training(**json.loads(training))))
    print(json.dumps(found))


def partly(found: dict[str, Any]) -> None:
    """Print the figures so far, which stay if the step takes too long."""
    print(json.dumps({"ok": False, "so_far": found}), flush=True)


def run(name: str, setting: Setting) -> dict[str, Any]:
    """The figures of a step, with ``ok``; ``not_run`` if a package or the device is missing."""
    home = next(module for module, names in HOMES.items() if name in names)
    try:
        step = getattr(importlib.import_module(f"benchmarks.gpu.{home}"), name)
        return {"ok": True, **step(setting)}
    except (NotRun, ModuleNotFoundError) as error:
        return {"ok": True, "not_run": str(error)}
    except AssertionError as error:
        return {"ok": False, "error": str(error)[-500:]}


if __name__ == "__main__":
    main()
