"""Measure durable adds per second: with the import command, and over HTTP with one picture per request.

    OMP_NUM_THREADS=1 python -m benchmarks.index_adds [--count 50000] [--dimension 384] [--seconds 10]

The import command reads existing vectors. Over HTTP a picture of 500 px is decoded and embedded by the default bundle,
so the model dominates the cost. Both call fsync before they acknowledge a write. With one client the latency is that
of a single durable add. The time of a bare fsync on the same disk is printed as well.
"""

import argparse
import hashlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from benchmarks.index_million import write_bundle
from benchmarks.mixture import mixture
from copysight.index import Index

SIDE = 500
CLIENTS = (1, 4, 16)
JPEG = {"Content-Type": "image/jpeg"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50_000, help="Number of imported vectors. Default: 50000.")
    parser.add_argument("--dimension", type=int, default=384, help="Dimension of imported vectors. Default: 384.")
    parser.add_argument("--seconds", type=float, default=10.0, help="Seconds per number of clients. Default: 10.")
    parser.add_argument("--directory", help="Folder for temporary files. By default that of the system.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        print(f"fsync of 4 KB appended: {measure_fsync(Path(scratch)):.2f} ms")
        measure_import(Path(scratch), options.count, options.dimension)
        with serving(Path(scratch) / "served") as url:
            for clients in CLIENTS:
                measure_http(url, clients, options.seconds)


def measure_fsync(scratch: Path, rounds: int = 50) -> float:
    """Return the median time of an fsync in milliseconds."""
    times = []
    with (scratch / "probe").open("wb", buffering=0) as file:
        for _ in range(rounds):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def measure_import(scratch: Path, count: int, dimension: int) -> None:
    """Run `copysight index import` of keys, vectors and one metadata field into an empty index."""
    files, index = scratch / "files", scratch / "index"
    files.mkdir()
    np.save(files / "vectors.npy", mixture(count, dimension, centres=max(1, count // 50), planted=1).vectors)
    lines = (json.dumps({"key": f"{row:08d}.jpg", "metadata": {"part": row % 100}}) for row in range(count))
    (files / "items.jsonl").write_text("\n".join(lines) + "\n")
    Index.create(index, write_bundle(scratch / "bundle", dimension)).close()
    command = [sys.executable, "-m", "cli", "index", "import", str(files), "--index", str(index), "--json"]
    before = children_cpu_seconds()
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"import: {result['created']:,} vectors of dimension {dimension}, 1000 per transaction: "
        f"{result['vectors_per_second']:,} vectors/s, "
        f"{(children_cpu_seconds() - before) / count * 1e6:.0f} us of CPU time per vector",
        flush=True,
    )


def children_cpu_seconds() -> float:
    """Return the CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def serving(index: Path) -> Iterator[str]:
    """Run a server of an empty index with the default bundle; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--index", str(index), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        while not _answers(url):
            time.sleep(0.1)
        yield url
        server.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False


def measure_http(url: str, clients: int, seconds: float) -> None:
    """Run clients that send one picture per request, one request after the other."""
    end = time.perf_counter() + seconds
    with ThreadPoolExecutor(clients) as pool:
        times = [one for found in pool.map(lambda n: _adds(url, clients, n, end), range(clients)) for one in found]
    p50, p99 = (float(np.percentile(times, p)) * 1e3 for p in (50, 99))
    rate = len(times) / seconds
    print(
        f"HTTP, {clients} clients, 1 picture per request: {rate:.1f}/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms", flush=True
    )


def _adds(url: str, clients: int, number: int, end: float) -> list[float]:
    times: list[float] = []
    with httpx.Client(base_url=url, timeout=60) as http:
        while time.perf_counter() < end:
            body = picture(hash((clients, number, len(times))) % 2**32)
            start = time.perf_counter()
            answer = http.post(f"/images?key={hashlib.sha256(body).hexdigest()}", content=body, headers=JPEG)
            times.append(time.perf_counter() - start)
            answer.raise_for_status()
    return times


def picture(seed: int) -> bytes:
    """Return a JPEG of coarse noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(out, "JPEG", quality=88)
    return out.getvalue()


if __name__ == "__main__":
    main()
