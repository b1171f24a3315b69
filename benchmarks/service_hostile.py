"""Measure whether hostile batches slow the server down: `/search` with one client, before and after.

    OMP_NUM_THREADS=1 python -m benchmarks.service_hostile [--batches 50] [--rounds 100] [--decode process]

A batch is thirty good pictures, one of 1x1 pixels, a decompression bomb and a truncated file. A second server, the
control, gets no such batch. Both are measured in alternation, so that changes of the machine show on both.
"""

import argparse
import os
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from statistics import median

import httpx
from PIL import Image

from benchmarks.load import ask, connected, post, resident
from benchmarks.service_search import fill
from benchmarks.service_throughput import Running, pictures, processor_name, run_server

BAD = {"picture_too_small", "too_many_pixels", "corrupt_picture"}
VECTORS = 2000


def main() -> None:
    """Print median milliseconds before and after, of the attacked server and of the control."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=50, help="Number of hostile batches. Default: 50.")
    parser.add_argument("--rounds", type=int, default=100, help="Searches per measurement. Default: 100.")
    parser.add_argument(
        "--decode", choices=("thread", "process"), default="process", help="Where to decode. Default: process."
    )
    options = parser.parse_args()
    os.environ["COPYSIGHT_DECODE"] = options.decode
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    with tempfile.TemporaryDirectory() as scratch:
        indexes = [Path(scratch) / name for name in ("attacked", "control")]
        for index in indexes:
            fill(index, VECTORS)
        with run_server(command(indexes[0])) as attacked, run_server(command(indexes[1])) as control:
            both = {"attacked": attacked, "control": control}
            measure(both, data, options.rounds)  # warm-up: the first calls touch new memory pages
            before, memory_before = measure(both, data, options.rounds), resident(attacked.pid)
            for _ in range(options.batches):
                attack(attacked, data)
            after = measure(both, data, options.rounds)
            grown = (resident(attacked.pid) - memory_before) / 2**20
    print(
        f"{processor_name()}; decoding by {options.decode}; {options.batches} hostile batches; /search, medians in ms"
    )
    for name in both:
        print(f"{name:9} before {before[name]:.1f}, after {after[name]:.1f}")
    print(f"resident memory of the attacked server: {grown:+.1f} MiB")


def command(index: Path) -> list[str]:
    """Return the command of a server on an index, to which the port is appended."""
    return [sys.executable, "-m", "cli", "serve", "--index", str(index), "--rebuild-when-due", "false", "--port"]


def measure(servers: dict[str, Running], data: Sequence[bytes], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of a search for one picture. The servers are called in alternation."""
    times: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds):
        request = post("/search?effort=low", data[number % len(data)])
        for name, server in servers.items():
            with connected(server.port) as peer:
                began = time.perf_counter()
                answer = ask(peer, request)
                times[name].append((time.perf_counter() - began) * 1e3)
            if answer.status != 200:
                raise RuntimeError(f"got status {answer.status}: {answer.body[:200]!r}")
    return {name: median(values) for name, values in times.items()}


def attack(server: Running, data: Sequence[bytes]) -> None:
    """Send one batch. Raises ``RuntimeError`` unless there are thirty embeddings and the three expected errors."""
    good = [data[number % len(data)] for number in range(30)]
    files = [
        ("file", one) for one in (*good[:10], tiny(), *good[10:20], bomb(), *good[20:], data[0][: len(data[0]) // 2])
    ]
    items = httpx.post(f"http://127.0.0.1:{server.port}/embed", files=files, timeout=120).json()["items"]
    errors = {item["error"]["code"] for item in items if "error" in item}
    if errors != BAD or sum("embedding" in item for item in items) != len(good):
        raise RuntimeError(f"got {errors}, needed {BAD} and {len(good)} good answers")


def tiny() -> bytes:
    """Return a picture of one pixel."""
    return _png(Image.new("RGB", (1, 1)))


def bomb() -> bytes:
    """Return a small PNG whose header claims 3,600 million pixels, with a correct checksum."""
    whole = bytearray(_png(Image.new("1", (8, 8))))
    whole[16:24] = struct.pack(">II", 60_000, 60_000)
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    return bytes(whole)


def _png(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


if __name__ == "__main__":
    main()
