"""Adding pictures over HTTP: lines of JSON in one call, against a call for each picture. Both end durable.

    OMP_NUM_THREADS=1 python -m benchmarks.service_bulk [--pictures 300]

Each way gets a server with an empty index of the default bundle, by turns; the pictures are those of
benchmarks.service_throughput, each with an edge of its own, so that no two are the same file.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.service_throughput import pictures, processor, started
from copysight.client import Added, Client, New
from copysight.index import Index

ROUNDS = 2


def main() -> None:
    """Print pictures per second of both ways, one line a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    count = parser.parse_args().pictures
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    # Bytes after the end of a JPEG are no part of the picture; they make each file another one.
    new = [New(data[number % len(data)] + number.to_bytes(4), key=f"{number}.jpg") for number in range(count)]
    print(f"{processor()}; {count} pictures")
    for _ in range(ROUNDS):
        for name, way in {"lines": in_lines, "one by one": one_by_one}.items():
            print(f"{name:10} {rate(way, new):6.1f} pictures/s", flush=True)


def in_lines(client: Client, new: Sequence[New]) -> int:
    """How many were added, by lines."""
    return sum(isinstance(one, Added) for one in client.add_many(new))


def one_by_one(client: Client, new: Sequence[New]) -> int:
    """How many were added, by a call for each."""
    return sum(client.add(one).status == "created" for one in new)


def rate(way: Callable[[Client, Sequence[New]], int], new: Sequence[New]) -> float:
    """Pictures per second into an empty index."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "index"
        Index.create(directory).close()
        command = [
            sys.executable,
            "-m",
            "cli",
            "serve",
            "--index",
            str(directory),
            "--rebuild-when-due",
            "false",
            "--port",
        ]
        with started(command) as server, Client(f"http://127.0.0.1:{server.port}") as client:
            began = time.perf_counter()
            added = way(client, new)
            seconds = time.perf_counter() - began
    if added != len(new):
        raise RuntimeError(f"added {added} of {len(new)} pictures")
    return len(new) / seconds


if __name__ == "__main__":
    main()
