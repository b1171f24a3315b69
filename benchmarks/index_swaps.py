"""Generations swapped under load: one process adds, deletes and publishes, this one searches all the time.

    OMP_NUM_THREADS=1 python -m benchmarks.index_swaps [--count 100000] [--dimension 384] [--generations 100]

Every answer is checked: a query finds its own item first, at similarity 1; nothing is found whose deletion had been
acknowledged before the search began; k results come back. Latency while a generation is being loaded is compared with
latency otherwise, and resident memory after the last ten swaps with that after the first ten.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import faiss
import numpy as np

from benchmarks.index_million import describe
from benchmarks.mixture import Floats, mixture
from copysight.catalog import Added, NewItem
from copysight.index import Index, Snapshot, publish

CHUNK = 1000
K = 10


@dataclass
class Record:
    """What the reader saw."""

    quiet: list[float] = field(default_factory=list)
    loading: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    ended: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--generations", type=int, default=100)
    parser.add_argument("--writer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    if options.writer:
        write(Path(options.writer), options)
        return
    with tempfile.TemporaryDirectory() as scratch:
        record = measured(Path(scratch), options)
    report(record)
    if record.faults:
        sys.exit(f"{len(record.faults)} wrong answers, the first: {record.faults[0]}")


def measured(scratch: Path, options: argparse.Namespace) -> Record:
    """Fill an index, start the writer, search until it ends."""
    vectors = mixture(options.count, options.dimension, centres=max(1, options.count // 50), planted=1).vectors
    with Index.create(scratch / "index", describe(scratch / "bundle", options.dimension)) as index:
        for start in range(0, options.count, CHUNK):
            add(index, [(f"fixed/{row}", vectors[row]) for row in range(start, min(options.count, start + CHUNK))])
        publish(index)
        command = [sys.executable, "-m", "benchmarks.index_swaps", "--writer", str(scratch / "index")]
        command += [f"--{name}={getattr(options, name)}" for name in ("count", "dimension", "generations")]
        record = Record()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            listener = threading.Thread(target=listen, args=(writer.stdout, record))
            listener.start()
            search(index, vectors, record)
            listener.join()
    return record


def search(index: Index, vectors: Floats, record: Record) -> None:
    """Ask for stored vectors until the writer ends; the last tenth of them is what the writer deletes from."""
    rng = np.random.default_rng(1)
    fixed, name = len(vectors) * 9 // 10, None
    while not record.ended:
        row = int(rng.integers(fixed))
        gone = set(record.gone)
        loading = any(thread.name == "index-load" for thread in threading.enumerate())
        start = time.perf_counter()
        snapshot = index.snapshot()
        (matches,) = snapshot.search(vectors[row : row + 1], K)
        seconds = time.perf_counter() - start
        (record.loading if loading else record.quiet).append(seconds)
        if matches[0].id != row + 1 or matches[0].similarity != 1.0 or len(matches) != K:
            record.faults.append(f"query {row + 1} found {matches[:2]}, {len(matches)} results")
        if found := gone & {match.id for match in matches}:
            record.faults.append(f"deleted items were found: {found}")
        if name != generation(snapshot):
            name = generation(snapshot)
            record.memory.append(resident())
            print(
                f"{name}: {record.memory[-1]:.0f} MB, {len(record.quiet) + len(record.loading):,} searches", flush=True
            )


def write(directory: Path, options: argparse.Namespace) -> None:
    """Balanced adds and deletes, and a generation of differing contents each turn."""
    rng = np.random.default_rng(2)
    alive = list(range(options.count * 9 // 10 + 1, options.count + 1))
    with Index.open(directory) as index:
        for turn in range(options.generations):
            for part in range(5):
                fresh = rng.standard_normal((20, options.dimension), dtype=np.float32)
                fresh /= np.linalg.norm(fresh, axis=1, keepdims=True)
                added = add(index, [(f"{turn}/{part}/{i}", vector) for i, vector in enumerate(fresh)])
                chosen = [alive.pop(int(rng.integers(len(alive)))) for _ in range(20)]
                index.delete(chosen)
                print(json.dumps(chosen), flush=True)
                alive += added
            publish(index)


def add(index: Index, new: list[tuple[str, Floats]]) -> list[int]:
    """Add vectors by key; returns ids."""
    items = [NewItem(key, hashlib.sha256(key.encode()).hexdigest(), 1, 1, vector) for key, vector in new]
    return [one.item.id for one in index.catalog.add(items, model=index.catalog.model()) if isinstance(one, Added)]


def listen(output: IO[str], record: Record) -> None:
    """Take the writer's acknowledged deletes."""
    for line in output:
        record.gone |= set(json.loads(line))
    record.ended = True


def generation(snapshot: Snapshot) -> str | None:
    return snapshot.generation.name if snapshot.generation is not None else None


def resident() -> float:
    """Resident memory in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def report(record: Record) -> None:
    """Print the figures."""
    print(f"{len(record.memory)} generations served, {len(record.quiet) + len(record.loading):,} searches checked")
    for what, values in (("otherwise", record.quiet), ("while loading", record.loading)):
        print(f"{what}: p50 {percentile(values, 50):.2f} ms, p99 {percentile(values, 99):.2f} ms")
    print(f"p99 ratio {slowdown(record):.2f}; memory of the last ten {growth(record):+.1%} above the first ten")


def slowdown(record: Record) -> float:
    """p99 while a generation is being loaded, relative to p99 otherwise."""
    return percentile(record.loading, 99) / max(percentile(record.quiet, 99), 1e-9)


def growth(record: Record) -> float:
    """Memory after the last ten swaps relative to that after the first ten."""
    ten = max(1, min(10, len(record.memory) // 2))
    return float(np.mean(record.memory[-ten:]) / np.mean(record.memory[:ten])) - 1


def percentile(seconds: list[float], percent: float) -> float:
    """In milliseconds."""
    return float(np.percentile(seconds or [0.0], percent)) * 1e3


if __name__ == "__main__":
    main()
