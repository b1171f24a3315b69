"""Compare two ways to add pictures over HTTP: NDJSON lines in one request, and one request per picture.

    OMP_NUM_THREADS=1 python -m benchmarks.service_bulk [--pictures 300]

Both ways end with durable writes. Each gets a server with an empty index of the default bundle, in turn. The pictures
are those of benchmarks.service_throughput, with different trailing bytes, so that no two files are equal.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.service_throughput import pictures, processor_name, run_server
from copysight.client import Added, Client, New
from copysight.index import Index

ROUNDS = 2


def main() -> None:
    """Print the pictures per second of both ways, one line per way and round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=300, help="Number of pictures. Default: 300.")
    count = parser.parse_args().pictures
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    # Bytes after the end of a JPEG are not part of the picture. They only make the files different.
    new = [New(data[number % len(data)] + number.to_bytes(4), key=f"{number}.jpg") for number in range(count)]
    print(f"{processor_name()}; {count} pictures")
    for _ in range(ROUNDS):
        for name, method in {"lines": add_as_lines, "one by one": one_by_one}.items():
            print(f"{name:10} {rate(method, new):6.1f} pictures/s", flush=True)


def add_as_lines(client: Client, new: Sequence[New]) -> int:
    """Add pictures as NDJSON lines; return the number of added pictures."""
    return sum(isinstance(one, Added) for one in client.add_many(new))


def one_by_one(client: Client, new: Sequence[New]) -> int:
    """Add pictures with one request each; return the number of added pictures."""
    return sum(client.add(one).status == "created" for one in new)


def rate(method: Callable[[Client, Sequence[New]], int], new: Sequence[New]) -> float:
    """Return the pictures added per second to an empty index."""
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
        with run_server(command) as server, Client(f"http://127.0.0.1:{server.port}") as client:
            began = time.perf_counter()
            added = method(client, new)
            seconds = time.perf_counter() - began
    if added != len(new):
        raise RuntimeError(f"added {added} of {len(new)} pictures")
    return len(new) / seconds


if __name__ == "__main__":
    main()
