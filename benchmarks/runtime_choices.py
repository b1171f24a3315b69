"""How to run the model on a CPU: calls at a time against threads of one call, spinning, pictures a call, the arena.

    OMP_NUM_THREADS=1 python -m benchmarks.runtime_choices [--models default vit] [--rounds 3] [--seconds 3]

The session alone, on prepared input, in turns; medians, and in brackets least and most. `ms` is processor time a
picture, which stays true beside other load; `MB` what a process of its own holds more after batches of many sizes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort

from benchmarks.load import resident
from benchmarks.service_throughput import processor
from copysight.model import bundle as bundles
from copysight.system import processors
from training.export import exportable
from training.export.export import export

VIT = "timm:vit_small_patch16_224"
SIZES = (1, 7, 3, 16, 5, 32, 2, 11)
"""Pictures a call, for the memory that an arena keeps."""


@dataclass(frozen=True)
class Way:
    """``calls`` at a time, each with ``threads``, of ``batch`` pictures."""

    calls: int = 1
    threads: int = 1
    batch: int = 1
    spinning: bool = False
    arena: bool = True

    def session(self, graph: str) -> ort.InferenceSession:
        """A session of a graph's file."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.enable_cpu_mem_arena = self.arena
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(self.spinning)))
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


Turn = Callable[[], tuple[float, float]]


def main() -> None:
    """Print a line a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["default", "vit"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--resident", nargs=2, metavar=("GRAPH", "ARENA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resident:
        print(held(options.resident[0], options.resident[1] == "True"))
        return
    print(f"{processor()}, {processors.available()} processors")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.models:
            show(name, graph_of(name, Path(scratch)), options.rounds, options.seconds)


def graph_of(name: str, scratch: Path) -> str:
    """The file that gives the embedding: of a bundle's usual precision, or of ViT-S/16 with random weights."""
    if name == "vit":
        bundle = export([exportable.load(VIT, size=224, random=True)], scratch / "vit")
    else:
        bundle = bundles.load(name)
    return str(bundle.path / bundle.graphs[bundle.embedding.graph].variants[bundle.default_variant].file)


def ways(count: int) -> dict[str, Way]:
    """With ``count`` processors."""
    return {
        f"{count} calls of 1 thread": Way(calls=count),
        f"1 call of {count} threads": Way(threads=count),
        f"1 call of {count} threads, spinning": Way(threads=count, spinning=True),
        f"{count} calls of {count} threads": Way(calls=count, threads=count),
        f"{count} calls of {count} threads, spinning": Way(calls=count, threads=count, spinning=True),
        f"{count} calls of 1 thread, no arena": Way(calls=count, arena=False),
        f"{count} calls of 8 pictures": Way(calls=count, batch=8),
        f"{count} calls of 32 pictures": Way(calls=count, batch=32),
    }


def show(name: str, graph: str, rounds: int, seconds: float) -> None:
    """One model."""
    turns = {title: turn(way, graph, seconds) for title, way in ways(processors.available()).items()}
    found: dict[str, list[tuple[float, float]]] = {title: [] for title in turns}
    for _ in range(rounds):
        for title, one in turns.items():
            found[title].append(one())
    print(f"\n{name}: {Path(graph).name}")
    for title, results in found.items():
        rates, spent = zip(*results, strict=True)
        spread = f"{median(rates):6.1f} ({min(rates):.1f}–{max(rates):.1f})"
        print(f"{title:34} {spread:>24} pictures/s {median(spent) * 1e3:7.1f} ms", flush=True)
    for arena in (True, False):
        command = [sys.executable, "-m", "benchmarks.runtime_choices", "--resident", graph, str(arena)]
        text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        print(f"calls of {min(SIZES)} to {max(SIZES)} pictures, arena {'on' if arena else 'off'}: {text.strip()}")


def turn(way: Way, graph: str, seconds: float) -> Turn:
    """A measurement: pictures a second, processor seconds a picture."""
    session = way.session(graph)
    batch = pictures(session, way.batch)

    def work(ends: float) -> int:
        done = 0
        while time.perf_counter() < ends:
            session.run(["embedding"], {"pictures": batch})
            done += way.batch
        return done

    def once() -> tuple[float, float]:
        session.run(["embedding"], {"pictures": batch})
        began, used = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(way.calls) as pool:
            done = sum(pool.map(work, [began + seconds] * way.calls))
        return done / (time.perf_counter() - began), (time.process_time() - used) / done

    return once


def pictures(session: ort.InferenceSession, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Input (count, 3, S, S) of a session."""
    side = session.get_inputs()[0].shape[-1]
    return np.random.default_rng(0).standard_normal((count, 3, side, side)).astype(np.float32)


def held(graph: str, arena: bool) -> str:
    """How resident memory grows from the first call over calls of many sizes."""
    session, pid = Way(arena=arena).session(graph), Path("/proc/self").resolve().name
    sizes = []
    for count in SIZES:
        session.run(["embedding"], {"pictures": pictures(session, count)})
        sizes.append(resident(int(pid)) / 1e6)
    return f"{sizes[-1] - sizes[0]:.0f} MB more than after a call of one"


if __name__ == "__main__":
    main()
