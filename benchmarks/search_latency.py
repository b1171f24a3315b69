"""The latency of ``POST /search`` under several callers, with and without verification.

    copysight index build PICTURES --index DIR
    python -m benchmarks.search_latency DIR OTHER_PICTURES [--callers 8] [--queries 100] [--seconds 20] [--rounds 2]

Half of the queries are edited copies of indexed pictures, half are other pictures. ``verify=never`` and ``auto`` are
measured in turn on one server; a first pass over all queries is a warm-up and does not count.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.load import Load, drive, post
from benchmarks.service_throughput import run_server
from benchmarks.verification_cost import indexed, jpeg
from copysight.index import Index
from copysight.scoring.self_calibration import make_copies
from evaluation.sources import read, scan

MODES = ("never", "auto")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    files = queries(options.index, options.others, options.queries)
    found: dict[str, list[Load]] = {mode: [] for mode in MODES}
    command = [sys.executable, "-m", "cli", "serve", "--index", str(options.index), "--port"]
    with run_server(command) as server:
        for mode in MODES:
            drive(server.port, requests(files, mode), options.callers, options.seconds / 2)
        for _ in range(options.rounds):
            for mode in MODES:
                load = drive(server.port, requests(files, mode), options.callers, options.seconds)
                found[mode].append(load)
    for mode, loads in found.items():
        merged = Load(sum(load.seconds for load in loads), [one for load in loads for one in load.latencies])
        for load in loads:
            merged.statuses[200] = merged.statuses.get(200, 0) + load.statuses.get(200, 0)
        times = "   ".join(
            f"p{share * 100:.0f} {merged.percentile(share) * 1000:6.0f} ms" for share in (0.5, 0.95, 0.99)
        )
        others = {status for load in loads for status in load.statuses} - {200}
        print(f"verify={mode:6} {times}   {merged.rate:5.1f} answers/s   other statuses {sorted(others) or 'none'}")


def queries(directory: Path, others: Path, count: int) -> list[bytes]:
    """JPEG files: edited copies of indexed pictures and pictures that are not indexed, in turn."""
    with Index.open(directory) as index:
        copies = [copy.pixels for copy in make_copies(indexed(index, count // 2), np.random.default_rng(0))]
    strangers = [read(entry) for entry in scan(others).entries[: count // 2]]
    return [jpeg(picture) for pair in zip(copies, strangers, strict=True) for picture in pair]


def requests(files: list[bytes], mode: str) -> list[bytes]:
    return [post(f"/search?verify={mode}", file) for file in files]


if __name__ == "__main__":
    main()
