"""Compare the throughput of the service with a bare loop (decode, preprocess, session) and with other servers.

    OMP_NUM_THREADS=1 python -m benchmarks.service_throughput [--models default vit] [--rounds 3] [--seconds 6]
        [--callers 1 8 32] [--variants int8 fp32] [--peers]

All have the same precision and CPUs. Pictures are JPEGs of 500 px from COPYSIGHT_DATA (a folder), or drawn. Everything
is measured in turn, `--rounds` times; the table has the median, with minimum and maximum in brackets. `cpu` is CPU time
per picture of all processes of the server; use it if the machine has other load. `loop` is the part of the event loop
(the first thread). The client takes about 0.2 ms per picture; this cost falls on the servers only.
"""

import argparse
import base64
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from PIL import Image

from benchmarks.load import Load, cpu_seconds, drive, main_thread_seconds, post
from copysight.index import Index
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.decode import decode
from copysight.pictures.scan import scan
from copysight.system import processors
from training.export import exportable
from training.export.export import export
from training.export.quantization import quantize

SIDE, PICTURES, QUALITY = 500, 64, 88
VIT = "vit_small_patch16_224"


@dataclass(frozen=True)
class Measurement:
    """One measurement of one system: pictures per second, CPU seconds per picture, latencies in seconds.

    ``loop`` is the part of ``cpu`` that the first thread used.
    """

    rate: float
    cpu: float
    loop: float
    p50: float
    p99: float


System = Callable[[int, float], Measurement]


def main() -> None:
    """Print one table per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", default=["default", "vit"], help="Bundles, or vit (ViT-S/16). Default: default vit."
    )
    parser.add_argument("--variants", nargs="+", help="Precisions. By default the default one of each bundle.")
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds. Default: 3.")
    parser.add_argument("--seconds", type=float, default=6.0, help="Seconds per measurement. Default: 6.")
    parser.add_argument(
        "--callers", type=int, nargs="+", default=[1, 8, 32], help="Concurrent requests. Default: 1 8 32."
    )
    parser.add_argument(
        "--peers", action="store_true", help="Also measure LitServe and two plain FastAPI servers (vit only)."
    )
    options = parser.parse_args()
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    print(f"{processor_name()}, {processors.available()} CPUs; JPEGs of {np.mean([*map(len, data)]) / 1e3:.0f} KB")
    for name in options.models:
        with ExitStack() as stack, tempfile.TemporaryDirectory() as scratch:
            bundle = export_vit(Path(scratch) / "vit", data) if name == "vit" else bundles.load(name)
            systems: dict[str, System] = {}
            for variant in options.variants or [bundle.default_variant]:
                systems[f"bare loop {variant}"] = bare_loop(Embedder(bundle, Runtime(variant=variant)), data)
                directory = Path(scratch) / variant
                Index.create(directory, bundle.path, variant=variant).close()
                command = [sys.executable, "-m", "cli", "serve", "--index", str(directory)]
                command += ["--variant", variant, "--port"]
                systems[f"service {variant}"] = over_http(stack.enter_context(run_server(command)), data)
            if options.peers and name == "vit":
                for kind, one in peers(stack, bundle).items():
                    systems[kind] = over_http(one, data, json_request if kind == "LitServe" else raw_request)
            print_table(name, measure(systems, options.callers, options.rounds, options.seconds))


def pictures(folder: str | None) -> list[bytes]:
    """Return JPEGs with a longest side of 500 pixels, from a folder or drawn."""
    if folder is None:
        return [jpeg_of(drawn(seed)) for seed in range(PICTURES)]
    entries = scan(Path(folder)).entries
    rows = np.random.default_rng(0).permutation(len(entries))[:PICTURES]
    return [jpeg_of(decode(entries[int(row)].read()).pixels) for row in rows]


def jpeg_of(picture: Image.Image) -> bytes:
    scale = SIDE / max(picture.size)
    out = BytesIO()
    size = (round(picture.width * scale), round(picture.height * scale))
    picture.resize(size, Image.Resampling.LANCZOS).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def drawn(seed: int) -> Image.Image:
    """Draw soft patches of colour with fine noise. The picture compresses like a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
        (500, 375), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 6, (375, 500, 1))
    return Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8))


def export_vit(path: Path, data: Sequence[bytes]) -> Bundle:
    """Export ViT-S/16 at 224 px with random weights in fp32 and int8. The cosine is the minimum over ``data``."""
    path.mkdir()
    plain = export([exportable.load(f"timm:{VIT}", size=224, random=True)], path / "plain")
    whole, shown = Embedder(plain), [decode(one).pixels for one in data]
    quantize(plain.path / "graph0.onnx", path / "graph0.int8.onnx", [])
    bundle = _with_int8(plain, path / "trial", path / "graph0.int8.onnx", 1.0)
    short = Embedder(bundle, Runtime(variant="int8"))
    cosine = float((whole.embed_parallel(shown) * short.embed_parallel(shown)).sum(axis=1).min())
    print(f"{VIT} with random weights: smallest cosine of int8 to fp32 {cosine:.5f}")
    return _with_int8(plain, path / "bundle", path / "graph0.int8.onnx", cosine)


def _with_int8(plain: Bundle, path: Path, graph: Path, cosine: float) -> Bundle:
    manifest = json.loads((plain.path / bundles.DESCRIPTION).read_text())
    files = {name: plain.path / name for name in manifest.pop("files")} | {graph.name: graph}
    manifest["graphs"]["graph0"]["variants"]["int8"] = {"file": graph.name, "cosine": cosine}
    return bundles.write(path, {key: value for key, value in manifest.items() if key != "format"}, files)


def bare_loop(embedder: Embedder, data: Sequence[bytes]) -> System:
    """Return a system of threads that only decode, preprocess and run the session."""

    def run(concurrency: int, seconds: float) -> Measurement:
        threads = min(concurrency, processors.available())
        began, used = time.perf_counter(), time.process_time()

        def work(number: int) -> list[float]:
            latencies = []
            while (now := time.perf_counter()) - began < seconds:
                picture = decode(data[number % len(data)], at_least=embedder.bundle.at_least)
                embedder.run([embedder.prepare(picture.pixels)])
                latencies.append(time.perf_counter() - now)
                number += threads
            return latencies

        with ThreadPoolExecutor(threads) as pool:
            latencies = [one for found in pool.map(work, range(threads)) for one in found]
        load = Load(time.perf_counter() - began, latencies, {200: len(latencies)})
        return _measurement(load, time.process_time() - used)

    return run


@dataclass(frozen=True)
class Running:
    """A server process."""

    pid: int
    port: int


@contextmanager
def run_server(command: Sequence[str]) -> Iterator[Running]:
    """Start a server with a free port as its last argument; yield it once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*command, str(port)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0
    )
    try:
        _wait(process, port)
        yield Running(process.pid, port)
    finally:
        process.terminate()
        os.killpg(process.pid, signal.SIGCONT)
        process.wait(60)
        # LitServe does not stop its workers. They would keep polling and disturb the next measurement.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{process.args!r} did not answer within two minutes")


def raw_request(data: bytes) -> bytes:
    """Return a request with the picture as its body."""
    return post("/embed", data)


def json_request(data: bytes) -> bytes:
    """Return a request with the picture as base64 in JSON."""
    return post("/embed", json.dumps({"image": base64.b64encode(data).decode()}).encode(), "application/json")


def over_http(server: Running, data: Sequence[bytes], make_request: Callable[[bytes], bytes] = raw_request) -> System:
    """Return a system that calls a server over HTTP.

    The server is stopped (SIGSTOP) while others are measured, because an idle LitServe uses 0.3 CPUs for polling.
    """
    requests = [make_request(one) for one in data]

    def run(concurrency: int, seconds: float) -> Measurement:
        os.killpg(server.pid, signal.SIGCONT)
        used, looped = cpu_seconds(server.pid), main_thread_seconds(server.pid)
        load = drive(server.port, requests, concurrency, seconds)
        spent, looping = cpu_seconds(server.pid) - used, main_thread_seconds(server.pid) - looped
        os.killpg(server.pid, signal.SIGSTOP)
        return _measurement(load, spent, looping)

    return run


def peers(stack: ExitStack, bundle: Bundle) -> dict[str, Running]:
    """Start the servers of ``benchmarks.peers`` with the same network in fp32."""
    graph = str(bundle.path / bundle.graphs[bundle.embedding.graph].variants["fp32"].file)
    servers = {
        "FastAPI + torch": ("torch", VIT),
        "FastAPI + ONNX Runtime": ("onnx", graph),
        "LitServe": ("litserve", graph),
    }
    command = [sys.executable, "-m", "benchmarks.peers"]
    return {name: stack.enter_context(run_server([*command, *arguments])) for name, arguments in servers.items()}


def measure(
    systems: dict[str, System], callers: Sequence[int], rounds: int, seconds: float
) -> dict[tuple[str, int], list[Measurement]]:
    """Measure every system at every concurrency in turn, after a short warm-up."""
    for system in systems.values():
        system(2, 1.0)
    found: dict[tuple[str, int], list[Measurement]] = {}
    for _ in range(rounds):
        for concurrency in callers:
            for name, system in systems.items():
                found.setdefault((name, concurrency), []).append(system(concurrency, seconds))
    return found


def print_table(model: str, found: dict[tuple[str, int], list[Measurement]]) -> None:
    """Print one line per system and concurrency. Ratios are to the bare loop of the same round."""
    first = next(iter(found))[0]
    print(f"\n{model}: minimum and maximum of the rounds in brackets; ratios to `{first}` in the same round")
    heads = (
        f"{'pictures/s':>18} {'ratio':>18} {'cpu ms':>7} {'loop ms':>7} {'cpu ratio':>9} {'p50 ms':>7} {'p99 ms':>7}"
    )
    print(f"{'system':26} {'at':>3} {heads}")
    for (name, concurrency), runs in found.items():
        base = found[first, concurrency]
        ratios = [one.rate / other.rate for one, other in zip(runs, base, strict=True)]
        spent = median(other.cpu / one.cpu for one, other in zip(runs, base, strict=True))
        print(
            f"{name:26} {concurrency:3} {_spread([one.rate for one in runs], 1)} {_spread(ratios, 2)} "
            f"{median(one.cpu for one in runs) * 1e3:7.1f} {median(one.loop for one in runs) * 1e3:7.2f} "
            f"{spent:9.2f} "
            f"{median(one.p50 for one in runs) * 1e3:7.1f} {median(one.p99 for one in runs) * 1e3:7.1f}",
            flush=True,
        )


def processor_name() -> str:
    """Return the name of the CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _measurement(load: Load, cpu: float, loop: float = 0.0) -> Measurement:
    count = max(1, len(load.latencies))
    return Measurement(load.rate, cpu / count, loop / count, load.percentile(0.5), load.percentile(0.99))


def _spread(values: Sequence[float], digits: int) -> str:
    text = f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"
    return f"{text:>18}"


if __name__ == "__main__":
    main()
