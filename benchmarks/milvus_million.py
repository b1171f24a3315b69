"""A generation in Milvus beside one in files: build, open, searches with and without a filter, recall, memory.

    python -m tests.cluster.servers milvus &          # prints URL and PID
    OMP_NUM_THREADS=1 python -m benchmarks.milvus_million --server URL --pid PID [--count 1000000] [--dimension 256]

Both engines get the same vectors and queries through the same seam, one query at a time. The exact scores read memory
here, and the catalog in an index: one query more of it for each search. PID is the process that was started, whose
memory is that of all processes below it, too.
"""

import argparse
import platform
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.mixture import Floats, Mixture, mixture
from copysight.index.generations.engines.engine import Contents, Engine, Ids, Parameters, Searcher, Visible
from copysight.index.generations.engines.files.engine import VECTORS, FilesEngine
from copysight.index.generations.engines.milvus.address import address
from copysight.index.generations.engines.milvus.engine import MilvusEngine, engine_of
from copysight.index.generations.index_type import IndexType
from copysight.index.generations.manifest import Manifest
from copysight.index.generations.tombstones import Tombstones
from copysight.vectors import exact_search

QUERIES, K = 200, 10
NAME = "000001"
SHARES = (1.0, 0.5, 0.1, 0.01)


@dataclass(frozen=True)
class Case:
    """A restriction to a ``share`` of the rows, and the best similarities (Q, K) among them."""

    share: float
    visible: Visible
    best: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="Address of the Milvus server.")
    parser.add_argument("--pid", type=int, required=True, help="Process of the server, whose memory is read.")
    parser.add_argument("--count", type=int, default=1_000_000, help="Number of vectors. Default: 1000000.")
    parser.add_argument("--dimension", type=int, default=256, help="Dimension of the vectors. Default: 256.")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    data = mixture(options.count, options.dimension, centres=max(1, options.count // 50), planted=QUERIES)
    cases = [case(data, share) for share in SHARES]
    print(f"{platform.machine()}, N = {options.count:,}, D = {options.dimension}, {QUERIES} queries, recall@{K}")
    with tempfile.TemporaryDirectory() as folder:
        run("files", FilesEngine(), Path(folder), data, cases, lambda: 0.0)
        server = address(options.server)
        assert server is not None
        engine = engine_of(server, f"benchmark{secrets.token_hex(4)}", known(data))
        try:
            run("milvus", engine, Path(folder), data, cases, lambda: resident(options.pid))
            restart(engine)
        finally:
            engine.drop(NAME)


def case(data: Mixture, share: float) -> Case:
    """Draw a restriction, and search it exactly."""
    count = len(data.vectors)
    allowed = None if share == 1 else np.random.default_rng(1).random(count) < share
    rows = exact_search.nearest(data.unseen, data.vectors, K, allowed)
    best = [
        np.sort(exact_search.score(query, data.vectors[row]))[-K:] for query, row in zip(data.unseen, rows, strict=True)
    ]
    return Case(share, Visible.of(count, Tombstones.none(count), allowed), np.stack(best))


def run(name: str, engine: Engine, folder: Path, data: Mixture, cases: list[Case], memory: Callable[[], float]) -> None:
    """Build a generation in an engine, open it, and print a line for each restriction."""
    count, dimension = data.vectors.shape
    ids, choice, before = np.arange(count) + 1, engine.choose(count, dimension), memory()
    data.vectors.tofile(folder / VECTORS)
    built = timed(lambda: engine.build(folder, NAME, Contents(ids, data.vectors), choice, 0))
    print(f"{name}: {choice}\n  build {built:.0f} s, server {memory():.0f} MB (before: {before:.0f})", flush=True)
    files = {file.name: "" for file in folder.iterdir()}
    collection = engine.seal(folder, NAME)
    made = Manifest("model", "", 0, count, dimension, choice, 0.0, 0, (), 0.0, files, collection)
    opened: list[Searcher] = []
    seconds = timed(lambda: opened.append(engine.open(folder, NAME, made, ids, 0.0)))
    print(f"  open {seconds:.2f} s", flush=True)
    for one in cases:
        measure(opened[0], choice, data.unseen, one)


def measure(searcher: Searcher, choice: IndexType, queries: Floats, one: Case) -> None:
    """Print recall and times of single searches."""
    seconds, hits = [], 0
    for query, best in zip(queries, one.best, strict=True):
        began = time.perf_counter()
        [found] = searcher.search(query[None], K, one.visible, choice, Parameters())
        seconds.append(time.perf_counter() - began)
        hits += min(K, int(np.count_nonzero(found.similarities >= best[0] - 1e-6)))
    p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
    print(
        f"  share {one.share:5.2f}: recall {hits / (K * len(queries)):.3f}, p50 {p50:.1f} ms, p95 {p95:.1f} ms",
        flush=True,
    )


def restart(engine: MilvusEngine) -> None:
    """Release the collection, as a restart of a server does, and wait until it can be searched again."""
    held = engine._collection(NAME)
    held.release()
    print(f"  load {timed(held.load):.1f} s after a release", flush=True)


def known(data: Mixture) -> Callable[..., dict[int, Floats]]:
    """The vectors by id, as a catalog gives them."""

    def vectors(ids: Ids, **_model: str) -> dict[int, Floats]:
        return {number: data.vectors[number - 1] for number in ids.tolist()}

    return vectors


def timed(work: Callable[[], Any]) -> float:
    """The seconds of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident(pid: int) -> float:
    """MB in memory of a process and of all below it."""
    return sum(_kilobytes(one) for one in _family(pid)) / 1e3


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


if __name__ == "__main__":
    main()
