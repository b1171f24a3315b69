"""What a search adds to an embedding: `/search` beside `/embed`, one caller, on a large index.

    OMP_NUM_THREADS=1 python -m benchmarks.service_search [--count 1000000] [--directory SCRATCH] [--pairs 400]

The index holds the vectors of benchmarks.mixture at the dimension of the default bundle, published. Both calls take the
same pictures, in blocks whose order alternates; the first one, which touches pages for the first time, does not count.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.index_million import CHUNK, item
from benchmarks.load import ask, connected, post, processor_seconds
from benchmarks.mixture import mixture
from benchmarks.service_throughput import pictures, processor, started
from copysight import bundle as bundles
from copysight.index import Index, publish

RAW = "Accept: application/octet-stream\r\n"
BLOCK = 20


def main() -> None:
    """Print both medians, by the clock and of processor time, and their difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--directory", help="where the scratch directory goes")
    options = parser.parse_args()
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        fill(Path(scratch) / "index", options.count)
        command = [sys.executable, "-m", "cli", "serve", "--index", str(Path(scratch) / "index")]
        with started([*command, "--rebuild-when-due", "false", "--port"]) as server, connected(server.port) as peer:
            calls = {
                "/embed": [post("/embed", one, headers=RAW) for one in data],
                "/search": [post("/search?k=10", one) for one in data],
            }
            clock: dict[str, list[float]] = {name: [] for name in calls}
            spent: dict[str, list[float]] = {name: [] for name in calls}
            for block in range(options.pairs // BLOCK + 1):
                for name in sorted(calls, reverse=block % 2 == 0):
                    used = processor_seconds(server.pid)
                    for number in range(block * BLOCK, (block + 1) * BLOCK):
                        began = time.perf_counter()
                        answer = ask(peer, calls[name][number % len(data)])
                        # The first block touches the pages for the first time.
                        if answer.status != 200:
                            raise RuntimeError(f"{name} answered {answer.status}: {answer.body[:200]!r}")
                        if block:
                            clock[name].append((time.perf_counter() - began) * 1e3)
                    spent[name] += [(processor_seconds(server.pid) - used) / BLOCK * 1e3] if block else []
    print(f"{processor()}; {options.count:,} vectors; one caller; milliseconds")
    for name in calls:
        print(f"{name:8} p50 {median(clock[name]):7.2f}, processor {median(spent[name]):6.2f}")
    more = [median(one["/search"]) - median(one["/embed"]) for one in (clock, spent)]
    print(f"a search adds {more[0]:.2f} at p50, {more[1]:.2f} of processor time")


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
