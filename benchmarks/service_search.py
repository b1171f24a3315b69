"""Compare the time of `/search` and `/embed` with one client on a large index: the cost of the search alone.

    OMP_NUM_THREADS=1 python -m benchmarks.service_search [--count 1000000] [--index DIR] [--pairs 400]

The index holds vectors of benchmarks.mixture with the dimension of the default bundle, and is published. It is built
in DIR if absent. All calls use the same pictures, in blocks of changing order. The first block is a warm-up and does
not count. The effort `normal` also searches with views of pictures within the picture.
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
from benchmarks.load import ask, connected, cpu_seconds, post
from benchmarks.mixture import mixture
from benchmarks.service_throughput import Running, pictures, processor_name, run_server
from copysight.index import Index, publish
from copysight.model import bundle as bundles

RAW = "Accept: application/octet-stream\r\n"
BLOCK = 20


def main() -> None:
    """Print the medians of wall-clock and CPU time, and the additional time of each search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="Number of vectors. Default: 1000000.")
    parser.add_argument("--pairs", type=int, default=400, help="Calls of each kind. Default: 400.")
    parser.add_argument("--index", type=Path, help="Folder of the index; it is built if absent. Default: temporary.")
    options = parser.parse_args()
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.index or Path(scratch) / "index"
        if not directory.exists():
            fill(directory, options.count)
        command = [sys.executable, "-m", "cli", "serve", "--index", str(directory)]
        with run_server([*command, "--rebuild-when-due", "false", "--port"]) as server:
            times = measure(server, data, options.pairs)
        with Index.open(directory) as index:
            print(f"{processor_name()}; {index.status().count:,} vectors; one client; milliseconds")
    base = times["/embed"]
    for name, one in times.items():
        more = f"additional: p50 {one.p50 - base.p50:.2f}, CPU {one.spent - base.spent:.2f}"
        print(f"{name:24} p50 {one.p50:7.2f}, CPU {one.spent:6.2f}; {more}")


@dataclass(frozen=True)
class Times:
    """Median milliseconds of one call, by the clock (``p50``) and in CPU time (``spent``)."""

    p50: float
    spent: float


def measure(server: Running, data: Sequence[bytes], pairs: int) -> dict[str, Times]:
    """Make each call ``pairs`` times, in alternating blocks."""
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
                used, times = cpu_seconds(server.pid), []
                for number in range(block * BLOCK, (block + 1) * BLOCK):
                    began = time.perf_counter()
                    answer = ask(peer, calls[name][number % len(data)])
                    times.append((time.perf_counter() - began) * 1e3)
                    if answer.status != 200:
                        raise RuntimeError(f"{name} answered {answer.status}: {answer.body[:200]!r}")
                if block:
                    clock[name] += times
                    spent[name].append((cpu_seconds(server.pid) - used) / BLOCK * 1e3)
    return {name: Times(median(clock[name]), median(spent[name])) for name in calls}


def fill(directory: Path, count: int) -> None:
    """Create an index of the default bundle with ``count`` vectors and publish it."""
    data = mixture(count, bundles.load("default").dimension, centres=max(1, count // 50))
    with Index.create(directory) as index:
        index.catalog.fields.declare("part")
        for start in range(0, count, CHUNK):
            rows = range(start, min(start + CHUNK, count))
            index.catalog.add([item(data, row) for row in rows], model=index.catalog.model())
        publish(index)


if __name__ == "__main__":
    main()
