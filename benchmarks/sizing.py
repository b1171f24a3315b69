"""Measure the resources of a collection: disk, memory of the service, memory and time of a rebuild.

    python -m benchmarks.sizing [--count 10000 100000] [--bundle default] [--directory SCRATCH]

Vectors are drawn, so originals and thumbnails are not included; use `index status` and `du` on a real index for those.
The service runs in a separate process. `private` is its anonymous memory. `resident` also counts pages of mapped files,
which the kernel reclaims when it needs them.
"""

import argparse
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.mixture import mixture
from copysight.catalog import NewItem
from copysight.index import Index
from copysight.model import bundle as bundles

CHUNK = 2000
SEARCHES = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--count", type=int, nargs="+", default=[10_000, 100_000], help="Numbers of vectors. Default: 10000 100000."
    )
    parser.add_argument("--bundle", default="default", help="Bundle of the index. Default: default.")
    parser.add_argument("--directory", help="Folder for temporary files. By default that of the system.")
    options = parser.parse_args()
    for count in options.count:
        with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
            directory = Path(scratch) / "index"
            fill(directory, options.bundle, count)
            seconds, peak = measure_rebuild(directory)
            generation = max((directory / "generations").iterdir())
            catalog, files = size(directory / "catalog.sqlite"), sum(size(file) for file in generation.iterdir())
            print(f"{count:,} pictures: catalog {catalog:.0f} MB, generation {files:.0f} MB", flush=True)
            print(f"  rebuild {seconds:.0f} s, peak {peak:.0f} MB; {measure_service(directory)}", flush=True)


def fill(directory: Path, bundle: str, count: int) -> None:
    """Create an index of drawn vectors, one durable transaction per chunk, without publishing."""
    data = mixture(count, bundles.load(bundle).dimension, centres=max(1, count // 50)).vectors
    with Index.create(directory, bundle) as index:
        for start in range(0, count, CHUNK):
            rows = range(start, min(start + CHUNK, count))
            index.catalog.add(
                [
                    NewItem(f"folder/{row:08d}.jpg", hashlib.sha256(str(row).encode()).hexdigest(), 640, 480, data[row])
                    for row in rows
                ],
                model=index.catalog.model(),
            )


def measure_rebuild(directory: Path) -> tuple[float, float]:
    """Return the seconds and peak megabytes of `index rebuild`, run as the service runs it."""
    began = time.perf_counter()
    worker = subprocess.Popen(
        [sys.executable, "-m", "cli", "index", "rebuild", "--index", str(directory)], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(worker.pid, 0)
    assert status == 0
    return time.perf_counter() - began, used.ru_maxrss / 1024


def measure_service(directory: Path) -> str:
    """Return the start-up time and the memory of the service after some searches by item id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    command = [sys.executable, "-m", "cli", "serve", "--index", str(directory), "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        wait_until_ready(http)
        ready = time.perf_counter() - began
        for number in range(1, SEARCHES + 1):
            http.post("/search", json={"ids": [number]}).raise_for_status()
    private, resident = memory(server.pid)
    server.send_signal(signal.SIGTERM)
    server.wait(60)
    return f"service ready after {ready:.1f} s, private {private:.0f} MB, resident {resident:.0f} MB"


def wait_until_ready(http: httpx.Client) -> float:
    """Wait until the server is ready; return the seconds."""
    began = time.perf_counter()
    while True:
        try:
            if http.get("/readyz").status_code == 200:
                return time.perf_counter() - began
        except httpx.TransportError:
            pass
        time.sleep(0.05)


def memory(process: int) -> tuple[float, float]:
    """Return the anonymous and resident megabytes of a process."""
    text = Path(f"/proc/{process}/status").read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 1024 for name in ("RssAnon", "VmRSS"))  # type: ignore[index,return-value]


def size(file: Path) -> float:
    """Return the size of a file in megabytes."""
    return file.stat().st_size / 1e6


if __name__ == "__main__":
    main()
