"""What a search adds to an embedding: `/search` beside `/embed`, one caller, on a large index.

    OMP_NUM_THREADS=1 python -m benchmarks.service_search [--count 1000000] [--index DIR] [--pairs 400]

The index holds the vectors of benchmarks.mixture at the dimension of the default bundle, published; it is made in DIR
unless there is one. All calls take the same pictures, in blocks whose order changes; the first block, which touches
pages for the first time, does not count. `normal` effort looks for pictures within the picture, and at them.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.index_million import CHUNK, item
from benchmarks.load import ask, connected, post, processor_seconds
from benchmarks.mixture import mixture
from benchmarks.service_throughput import Running, pictures, processor, started
from copysight.index import Index, publish
from copysight.model import bundle as bundles

RAW = "Accept: application/octet-stream\r\n"
BLOCK = 20


def main() -> None:
    """Print medians, by the clock and of processor time, and what each search adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--index", type=Path, help="where the index is, or goes; default: a scratch directory")
    options = parser.parse_args()
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.index or Path(scratch) / "index"
        if not directory.exists():
            fill(directory, options.count)
        command = [sys.executable, "-m", "cli", "serve", "--index", str(directory)]
        with started([*command, "--rebuild-when-due", "false", "--port"]) as server:
            times = measured(server, data, options.pairs)
        with Index.open(directory) as index:
            print(f"{processor()}; {index.status().count:,} vectors; one caller; milliseconds")
    base = times["/embed"]
    for name, one in times.items():
        more = f"adds {one.p50 - base.p50:.2f} at p50, {one.spent - base.spent:.2f} of processor time"
        print(f"{name:24} p50 {one.p50:7.2f}, processor {one.spent:6.2f}; {more}")


@dataclass(frozen=True)
class Times:
    """Milliseconds of one call: the median by the clock, and of processor time."""

    p50: float
    spent: float


def measured(server: Running, data: Sequence[bytes], pairs: int) -> dict[str, Times]:
    """Each call ``pairs`` times, in blocks that take turns."""
    calls = {
        "/embed": [post("/embed", one, headers=RAW) for one in data],
        "/search, effort low": [post("/search?k=10&effort=low", one) for one in data],
        "/search, effort normal": [post("/search?k=10&effort=normal", one) for one in data],
    }
    clock: dict[str, list[float]] = {name: [] for name in calls}
    spent: dict[str, list[float]] = {name: [] for name in calls}
    with connected(server.port) as peer:
        for block in range(pairs // BLOCK + 1):
            for name in sorted(calls, reverse=block % 2 == 0):
                used, times = processor_seconds(server.pid), []
                for number in range(block * BLOCK, (block + 1) * BLOCK):
                    began = time.perf_counter()
                    answer = ask(peer, calls[name][number % len(data)])
                    times.append((time.perf_counter() - began) * 1e3)
                    if answer.status != 200:
                        raise RuntimeError(f"{name} answered {answer.status}: {answer.body[:200]!r}")
                if block:
                    clock[name] += times
                    spent[name].append((processor_seconds(server.pid) - used) / BLOCK * 1e3)
    return {name: Times(median(clock[name]), median(spent[name])) for name in calls}


def fill(directory: Path, count: int) -> None:
    """An index of the default bundle with ``count`` vectors, published."""
    data = mixture(count, bundles.load("default").dimension, centres=max(1, count // 50))
    with Index.create(directory) as index:
        index.catalog.fields.declare("part")
        for start in range(0, count, CHUNK):
            rows = range(start, min(start + CHUNK, count))
            index.catalog.add([item(data, row) for row in rows], model=index.catalog.model())
        publish(index)


if __name__ == "__main__":
    main()
