"""Compare ONNX Runtime settings on a CPU: parallel calls, threads per call, spinning, batch size, memory arena.

    OMP_NUM_THREADS=1 python -m benchmarks.runtime_choices [--models default vit] [--rounds 3] [--seconds 3]

Only the session is measured, on preprocessed input, in turn: the median, with minimum and maximum in brackets. `ms` is
CPU time per picture, which other load hardly changes. `MB` is the memory growth of a separate process after batches of
many sizes.
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
from benchmarks.service_throughput import processor_name
from copysight.model import bundle as bundles
from copysight.system import processors
from training.export import exportable
from training.export.export import export

VIT = "timm:vit_small_patch16_224"
SIZES = (1, 7, 3, 16, 5, 32, 2, 11)
"""Batch sizes for the measurement of the memory that an arena keeps."""


@dataclass(frozen=True)
class RunConfig:
    """A setting: number of parallel ``calls``, ``threads`` per call, and pictures per call (``batch``)."""

    calls: int = 1
    threads: int = 1
    batch: int = 1
    spinning: bool = False
    arena: bool = True

    def session(self, graph: str) -> ort.InferenceSession:
        """Return a session of a graph file with these settings."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.enable_cpu_mem_arena = self.arena
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(self.spinning)))
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


Measurement = Callable[[], tuple[float, float]]


def main() -> None:
    """Print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", default=["default", "vit"], help="Bundles, or vit (ViT-S/16). Default: default vit."
    )
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds. Default: 3.")
    parser.add_argument("--seconds", type=float, default=3.0, help="Seconds per measurement. Default: 3.")
    parser.add_argument("--resident", nargs=2, metavar=("GRAPH", "ARENA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resident:
        print(memory_growth(options.resident[0], options.resident[1] == "True"))
        return
    print(f"{processor_name()}, {processors.available()} processors")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.models:
            print_model(name, graph_of(name, Path(scratch)), options.rounds, options.seconds)


def graph_of(name: str, scratch: Path) -> str:
    """Return the graph file of the embedding: of a bundle in its default precision, or ViT-S/16 with random weights."""
    if name == "vit":
        bundle = export([exportable.load(VIT, size=224, random=True)], scratch / "vit")
    else:
        bundle = bundles.load(name)
    return str(bundle.path / bundle.graphs[bundle.embedding.graph].variants[bundle.default_variant].file)


def run_configs(count: int) -> dict[str, RunConfig]:
    """Return the settings to compare on ``count`` CPUs, by name."""
    return {
        f"{count} calls of 1 thread": RunConfig(calls=count),
        f"1 call of {count} threads": RunConfig(threads=count),
        f"1 call of {count} threads, spinning": RunConfig(threads=count, spinning=True),
        f"{count} calls of {count} threads": RunConfig(calls=count, threads=count),
        f"{count} calls of {count} threads, spinning": RunConfig(calls=count, threads=count, spinning=True),
        f"{count} calls of 1 thread, no arena": RunConfig(calls=count, arena=False),
        f"{count} calls of 8 pictures": RunConfig(calls=count, batch=8),
        f"{count} calls of 32 pictures": RunConfig(calls=count, batch=32),
    }


def print_model(name: str, graph: str, rounds: int, seconds: float) -> None:
    """Measure one model with all settings and print the lines."""
    measurements = {
        title: measurement(config, graph, seconds) for title, config in run_configs(processors.available()).items()
    }
    found: dict[str, list[tuple[float, float]]] = {title: [] for title in measurements}
    for _ in range(rounds):
        for title, one in measurements.items():
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


def measurement(config: RunConfig, graph: str, seconds: float) -> Measurement:
    """Return a function that measures one setting: pictures per second, CPU seconds per picture."""
    session = config.session(graph)
    batch = random_input(session, config.batch)

    def work(ends: float) -> int:
        done = 0
        while time.perf_counter() < ends:
            session.run(["embedding"], {"pictures": batch})
            done += config.batch
        return done

    def once() -> tuple[float, float]:
        session.run(["embedding"], {"pictures": batch})
        began, used = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(config.calls) as pool:
            done = sum(pool.map(work, [began + seconds] * config.calls))
        return done / (time.perf_counter() - began), (time.process_time() - used) / done

    return once


def random_input(session: ort.InferenceSession, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return random input (count, 3, S, S) of a session."""
    side = session.get_inputs()[0].shape[-1]
    return np.random.default_rng(0).standard_normal((count, 3, side, side)).astype(np.float32)


def memory_growth(graph: str, arena: bool) -> str:
    """Measure how resident memory grows after the first call, over calls of many batch sizes."""
    session, pid = RunConfig(arena=arena).session(graph), Path("/proc/self").resolve().name
    sizes = []
    for count in SIZES:
        session.run(["embedding"], {"pictures": random_input(session, count)})
        sizes.append(resident(int(pid)) / 1e6)
    return f"{sizes[-1] - sizes[0]:.0f} MB more than after one call of 1 picture"


if __name__ == "__main__":
    main()
