"""Measure the index with a million vectors on one core: durable adds, publish, open, single searches, filters.

    OMP_NUM_THREADS=1 python -m benchmarks.index_million [--count 1000000] [--dimension 384] [--index DIR]

A search includes all index work of a request: comparing the sequence of the catalog, candidates, tombstones, exact
scores. `cpu` is CPU time, which other load hardly changes. The index in DIR is kept, and later runs measure it as it
is. If the dimension is that of the default bundle, it is an index of that bundle, and benchmarks.service_search can
use it.
"""

import argparse
import hashlib
import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.mixture import Floats, Mixture, mixture
from copysight.catalog import NewItem
from copysight.index import Index, publish
from copysight.model import bundle as bundles
from copysight.vectors import exact_search

CHUNK = 1000
EXACT = 300  # number of queries that are compared with exact search
K = 10


@dataclass(frozen=True)
class Results:
    """Ids found for each query, and the seconds of each search by the clock and in CPU time."""

    answers: list[list[int]]
    clock: list[float]
    cpu: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="Number of vectors. Default: 1000000.")
    parser.add_argument("--dimension", type=int, default=384, help="Dimension of the vectors. Default: 384.")
    parser.add_argument("--index", type=Path, help="Folder of the index; it is built if absent. Default: temporary.")
    parser.add_argument("--build-only", action="store_true", help="Only build the index.")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    data = mixture(options.count, options.dimension, centres=max(1, options.count // 50))
    print(
        f"{platform.processor() or platform.machine()}, one core, "
        f"N = {options.count:,}, D = {options.dimension}, {max(1, options.count // 50):,} centres, seed 0"
    )
    with tempfile.TemporaryDirectory(dir=options.index and options.index.parent) as scratch:
        directory = options.index or Path(scratch) / "index"
        if not directory.exists():
            create(directory, data)
        if not options.build_only:
            measure(directory, Path(scratch), data)
    print(f"peak memory of this process (with {data.vectors.nbytes / 1e6:.0f} MB of test vectors): {peak():.0f} MB")


def create(directory: Path, data: Mixture) -> None:
    """Build the index: add all vectors and publish."""
    with fill(directory, data) as index:
        publish_index(index)


def measure(directory: Path, scratch: Path, data: Mixture) -> None:
    """Open the index from disk and from memory, search it, search with filters, and search a changed copy."""
    (live,) = (path for path in (directory / "generations").iterdir() if path.name.isdigit())
    for file in live.iterdir():
        evict(file)
    open_index(directory, "from the disk").close()
    with open_index(directory, "from memory") as index:
        measure_search(index, data)
        measure_filtered(index, data)
    copy_index(directory, scratch / "copy")
    with Index.open(scratch / "copy") as index:
        measure_changes(index, data)


def open_index(directory: Path, source: str) -> Index:
    """Open the index with checksum verification, and print time and memory."""
    before, started = memory(), time.perf_counter()
    index = Index.open(directory)
    seconds, after = time.perf_counter() - started, memory()
    kinds = ", ".join(f"{after[kind] - before[kind]:.0f} MB {kind}" for kind in before)
    print(f"open {source}, with checksums: {seconds:.2f} s; {kinds}", flush=True)
    return index


def fill(directory: Path, data: Mixture) -> Index:
    """Add all vectors, one durable transaction per chunk."""
    with tempfile.TemporaryDirectory() as scratch:
        index = Index.create(directory, bundle_of_dimension(Path(scratch) / "bundle", data.vectors.shape[1]))
    index.catalog.fields.declare("part")
    started = time.perf_counter()
    for start in range(0, len(data.vectors), CHUNK):
        index.catalog.add(
            [item(data, row) for row in range(start, min(start + CHUNK, len(data.vectors)))],
            model=index.catalog.model(),
        )
    seconds = time.perf_counter() - started
    print(f"add, {CHUNK} per transaction, fsync, one filterable field: {len(data.vectors) / seconds:,.0f} vectors/s")
    return index


def publish_index(index: Index) -> None:
    """Publish, and print the time of each stage."""
    stages: dict[str, float] = {}
    cpu = time.process_time()

    def note(stage: str, _done: int, _total: int) -> None:
        stages.setdefault(stage, time.perf_counter())

    generation = publish(index, progress=note)
    ends = [*list(stages.values())[1:], time.perf_counter()]
    times = ", ".join(f"{name} {end - begin:.0f} s" for (name, begin), end in zip(stages.items(), ends, strict=True))
    print(f"publish: {times}; {time.process_time() - cpu:.0f} s of CPU time")
    manifest, megabytes = generation.manifest, index.status().bytes / 1e6
    print(f"{manifest.choice}, recall@10 in the publish checks {manifest.recall:.3f}, {megabytes:.0f} MB on disk")


def measure_search(index: Index, data: Mixture) -> None:
    """Search planted duplicates and unseen members, and compare with exact search."""
    best = list(exact_search.nearest(data.unseen[:EXACT], data.vectors, K))
    scores = [
        np.sort(exact_search.score(q, data.vectors[rows]))[::-1] for q, rows in zip(data.unseen, best, strict=False)
    ]
    cosines = [
        exact_search.score(q, data.vectors[[row]])[0] for q, row in zip(data.duplicates, data.originals, strict=True)
    ]
    first, tenth = (np.mean([score[rank] for score in scores]) for rank in (0, K - 1))
    print(
        f"cosine of duplicates {np.mean(cosines):.3f}; of unseen members to the 1st neighbour {first:.3f}, to the 10th "
        f"{tenth:.3f}"
    )
    ones = run_queries(data.duplicates, lambda query: index.snapshot().search(query, K))
    hit = np.mean([found[0] == row + 1 for found, row in zip(ones.answers, data.originals, strict=True)])
    tens = run_queries(data.unseen, lambda query: index.snapshot().search(query, K))
    print_times("search", ones, f"recall@1 of duplicates {hit:.4f}")
    print_times("search", tens, f"recall@10 {recall(tens, data, scores):.4f}")


def measure_filtered(index: Index, data: Mixture) -> None:
    """Search with a filter that keeps 1 % of the items: a new filter each time, and a repeated one."""
    kept = np.arange(len(data.vectors)) % 100
    queries = data.unseen[:100]
    parts = iter(range(100))

    def search(query: Floats) -> Any:
        return index.snapshot().search(query, K, filter={"eq": ["part", next(parts)]})

    results = run_queries(queries, search)
    right = []
    for part, (query, found) in enumerate(zip(queries, results.answers, strict=True)):
        rows = np.flatnonzero(kept == part)
        truth = rows[np.argsort(-exact_search.score(query, data.vectors[rows]), kind="stable")[:K]] + 1
        right.append(len(set(found) & set(truth.tolist())) / K)
    print_times("1 % filter, new each time", results, f"recall@10 {np.mean(right):.4f}")
    again = run_queries(queries, lambda query: index.snapshot().search(query, K, filter={"eq": ["part", 7]}))
    print_times("1 % filter, repeated", again, "")


def measure_changes(index: Index, data: Mixture) -> None:
    """Search with tombstones and a delta, each 1 % of the collection."""
    count = len(data.vectors) // 100
    for start in range(1, count, CHUNK):
        index.delete(range(start, min(count, start + CHUNK)))
    rng = np.random.default_rng(9)
    fresh = rng.standard_normal((count, data.vectors.shape[1]), dtype=np.float32)
    fresh /= np.linalg.norm(fresh, axis=1, keepdims=True)
    for start in range(0, count, CHUNK):
        new = [
            NewItem(f"new/{row}", digest(-row - 1), 1, 1, fresh[row]) for row in range(start, min(count, start + CHUNK))
        ]
        index.catalog.add(new, model=index.catalog.model())
    result = run_queries(data.unseen, lambda query: index.snapshot().search(query, K))
    print_times(f"search with {count:,} tombstones and {count:,} in the delta", result, "")


def run_queries(queries: Floats, search: Callable[[Floats], Any]) -> Results:
    """Run one query after the other."""
    answers, clock, cpu = [], [], []
    for query in queries:
        start, used = time.perf_counter(), time.thread_time()
        (matches,) = search(query[None])
        clock.append(time.perf_counter() - start)
        cpu.append(time.thread_time() - used)
        answers.append([match.id for match in matches])
    return Results(answers, clock, cpu)


def recall(result: Results, data: Mixture, scores: list[Floats]) -> float:
    """Return the mean share of the ten nearest that were found. Results tied with the tenth count as found."""
    hits = [
        np.count_nonzero(exact_search.score(query, data.vectors[np.asarray(found) - 1]) >= best[K - 1] - 1e-6) / K
        for query, found, best in zip(data.unseen, result.answers, scores, strict=False)
    ]
    return float(np.mean(hits))


def print_times(what: str, result: Results, more: str) -> None:
    clock, cpu = ([float(np.percentile(values, p)) * 1e3 for p in (50, 99)] for values in (result.clock, result.cpu))
    print(
        f"{what}: p50 {clock[0]:.2f} ms, p99 {clock[1]:.2f} ms; cpu p50 {cpu[0]:.2f} ms, p99 {cpu[1]:.2f} ms; {more}",
        flush=True,
    )


def item(data: Mixture, row: int) -> NewItem:
    return NewItem(f"{row:08d}.jpg", digest(row), 640, 480, data.vectors[row], metadata={"part": row % 100})


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory() -> dict[str, float]:
    """Return the resident megabytes of this process: anonymous, and mapped from files."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    found = {words[0]: float(words[1]) / 1024 for words in lines if words[0] in {"RssAnon:", "RssFile:"}}
    return {"anonymous": found["RssAnon:"], "mapped": found["RssFile:"]}


def evict(file: Path) -> None:
    """Drop a file from the page cache."""
    with file.open("rb") as handle:
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def copy_index(directory: Path, to: Path) -> None:
    """Copy the index. Generations are immutable, so their files are hard-linked."""
    shutil.copytree(directory, to, ignore=shutil.ignore_patterns("generations"))
    shutil.copytree(directory / "generations", to / "generations", copy_function=os.link)


def bundle_of_dimension(scratch: Path, dimension: int) -> Path:
    """Return the default bundle if it has this dimension, otherwise write a bundle without graphs."""
    default = bundles.load("default")
    return default.path if default.dimension == dimension else write_bundle(scratch, dimension)


def write_bundle(path: Path, dimension: int) -> Path:
    """Write a bundle that describes embeddings but has no graphs. An index needs no more."""
    manifest = dict.fromkeys(("attention", "prototypes", "patches", "calibration")) | {
        "name": "none",
        "method": "none",
        "backbone": "none",
        "training": {},
        "licence": "Apache-2.0",
        "graphs": {},
        "embedding": {"graph": "main", "dimension": dimension, "recipe": "cls", "whitening": False},
        "numerics": {"largest_difference": 0.0, "cosine": 1.0},
    }
    bundles.write(path, manifest, {})
    return path


if __name__ == "__main__":
    main()
