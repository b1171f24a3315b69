"""The whole index at a million vectors: durable adds, publishing, opening, single searches, filters. One core.

    OMP_NUM_THREADS=1 python -m benchmarks.index_million [--count 1000000] [--dimension 384] [--index DIR]

A search is all that a request pays for: comparing the catalog's sequence, candidates, tombstones, exact scores.
`cpu` is processor time, which stays true beside other load. The index that is made in DIR stays there, is measured as
it is by later runs, and is of the default bundle where the dimension is that: benchmarks.service_search takes it, too.
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
from copysight.index.live import exact_search
from copysight.model import bundle as bundles

CHUNK = 1000
EXACT = 300  # queries compared with exact search
K = 10


@dataclass(frozen=True)
class Timed:
    """Answers, one a query, and the seconds that each took by the clock and of the processor."""

    answers: list[list[int]]
    clock: list[float]
    cpu: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--index", type=Path, help="where the index is, or goes; default: a scratch directory")
    parser.add_argument("--build-only", action="store_true", help="stop when the index is made")
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
            made(directory, data)
        if not options.build_only:
            measured(directory, Path(scratch), data)
    print(f"peak memory of it all (with {data.vectors.nbytes / 1e6:.0f} MB of test vectors): {peak():.0f} MB")


def made(directory: Path, data: Mixture) -> None:
    """Add everything and publish."""
    with filled(directory, data) as index:
        built(index)


def measured(directory: Path, scratch: Path, data: Mixture) -> None:
    """Open it from the disk and from memory; search as it is, by filter, and a copy after changes."""
    (live,) = (path for path in (directory / "generations").iterdir() if path.name.isdigit())
    for file in live.iterdir():
        evict(file)
    opened(directory, "from the disk").close()
    with opened(directory, "from memory") as index:
        searched(index, data)
        filtered(index, data)
    copied(directory, scratch / "copy")
    with Index.open(scratch / "copy") as index:
        changed(index, data)


def opened(directory: Path, whence: str) -> Index:
    """Open the index, with its checksums compared."""
    before, started = memory(), time.perf_counter()
    index = Index.open(directory)
    seconds, after = time.perf_counter() - started, memory()
    kinds = ", ".join(f"{after[kind] - before[kind]:.0f} MB {kind}" for kind in before)
    print(f"open {whence}, checksums compared: {seconds:.2f} s; {kinds}", flush=True)
    return index


def filled(directory: Path, data: Mixture) -> Index:
    """Add everything, a durable transaction a chunk."""
    with tempfile.TemporaryDirectory() as scratch:
        index = Index.create(directory, bundle(Path(scratch) / "bundle", data.vectors.shape[1]))
    index.catalog.fields.declare("part")
    started = time.perf_counter()
    for start in range(0, len(data.vectors), CHUNK):
        index.catalog.add(
            [item(data, row) for row in range(start, min(start + CHUNK, len(data.vectors)))],
            model=index.catalog.model(),
        )
    seconds = time.perf_counter() - started
    print(f"add, {CHUNK} a transaction, fsync on, one filterable field: {len(data.vectors) / seconds:,.0f} vectors/s")
    return index


def built(index: Index) -> None:
    """Publish, and say how long each stage took."""
    stages: dict[str, float] = {}
    cpu = time.process_time()

    def note(stage: str, _done: int, _total: int) -> None:
        stages.setdefault(stage, time.perf_counter())

    generation = publish(index, progress=note)
    ends = [*list(stages.values())[1:], time.perf_counter()]
    times = ", ".join(f"{name} {end - begin:.0f} s" for (name, begin), end in zip(stages.items(), ends, strict=True))
    print(f"publish: {times}; {time.process_time() - cpu:.0f} s of processor")
    made = generation.manifest
    print(f"{made.choice}, recall@10 of the gate {made.recall:.3f}, {index.status().bytes / 1e6:.0f} MB on disk")


def searched(index: Index, data: Mixture) -> None:
    """Planted duplicates and unseen members."""
    best = list(exact_search.nearest(data.others[:EXACT], data.vectors, K))
    scores = [
        np.sort(exact_search.score(q, data.vectors[rows]))[::-1] for q, rows in zip(data.others, best, strict=False)
    ]
    cosines = [
        exact_search.score(q, data.vectors[[row]])[0] for q, row in zip(data.duplicates, data.originals, strict=True)
    ]
    first, tenth = (np.mean([score[rank] for score in scores]) for rank in (0, K - 1))
    print(f"cosine of duplicates {np.mean(cosines):.3f}; of others to their 1st {first:.3f}, to their 10th {tenth:.3f}")
    ones = timed(data.duplicates, lambda query: index.snapshot().search(query, K))
    hit = np.mean([found[0] == row + 1 for found, row in zip(ones.answers, data.originals, strict=True)])
    tens = timed(data.others, lambda query: index.snapshot().search(query, K))
    show("search", ones, f"recall@1 of duplicates {hit:.4f}")
    show("search", tens, f"recall@10 {recall(tens, data, scores):.4f}")


def filtered(index: Index, data: Mixture) -> None:
    """A filter that keeps 1 %, as seen first and as repeated."""
    kept = np.arange(len(data.vectors)) % 100
    queries = data.others[:100]
    parts = iter(range(100))

    def ask(query: Floats) -> Any:
        return index.snapshot().search(query, K, filter={"eq": ["part", next(parts)]})

    results = timed(queries, ask)
    right = []
    for part, (query, found) in enumerate(zip(queries, results.answers, strict=True)):
        rows = np.flatnonzero(kept == part)
        truth = rows[np.argsort(-exact_search.score(query, data.vectors[rows]), kind="stable")[:K]] + 1
        right.append(len(set(found) & set(truth.tolist())) / K)
    show("1 % filter, new each time", results, f"recall@10 {np.mean(right):.4f}")
    again = timed(queries, lambda query: index.snapshot().search(query, K, filter={"eq": ["part", 7]}))
    show("1 % filter, repeated", again, "")


def changed(index: Index, data: Mixture) -> None:
    """With tombstones and a delta of 1 % each."""
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
    result = timed(data.others, lambda query: index.snapshot().search(query, K))
    show(f"search with {count:,} tombstones and {count:,} in the delta", result, "")


def timed(queries: Floats, ask: Callable[[Floats], Any]) -> Timed:
    """Ask one query after the other."""
    answers, clock, cpu = [], [], []
    for query in queries:
        start, used = time.perf_counter(), time.thread_time()
        (matches,) = ask(query[None])
        clock.append(time.perf_counter() - start)
        cpu.append(time.thread_time() - used)
        answers.append([match.id for match in matches])
    return Timed(answers, clock, cpu)


def recall(result: Timed, data: Mixture, scores: list[Floats]) -> float:
    """Share of the ten nearest that were found; one that scores like the tenth is as good."""
    hits = [
        np.count_nonzero(exact_search.score(query, data.vectors[np.asarray(found) - 1]) >= best[K - 1] - 1e-6) / K
        for query, found, best in zip(data.others, result.answers, scores, strict=False)
    ]
    return float(np.mean(hits))


def show(what: str, result: Timed, more: str) -> None:
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
    """Resident megabytes of this process, of its own and mapped from files."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    found = {words[0]: float(words[1]) / 1024 for words in lines if words[0] in {"RssAnon:", "RssFile:"}}
    return {"of its own": found["RssAnon:"], "mapped": found["RssFile:"]}


def evict(file: Path) -> None:
    """Ask the system to forget what it holds of a file."""
    with file.open("rb") as handle:
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def copied(directory: Path, to: Path) -> None:
    """A copy to be changed; what is immutable is linked."""
    shutil.copytree(directory, to, ignore=shutil.ignore_patterns("generations"))
    shutil.copytree(directory / "generations", to / "generations", copy_function=os.link)


def bundle(scratch: Path, dimension: int) -> Path:
    """The default bundle where it is of that dimension, else one that has nothing but it."""
    default = bundles.load("default")
    return default.path if default.dimension == dimension else describe(scratch, dimension)


def describe(path: Path, dimension: int) -> Path:
    """A bundle that describes embeddings and holds no graph: an index needs no more."""
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
