"""Compare FAISS index types on one core. `copysight/index/generations/index_type.py` chooses among them.

    OMP_NUM_THREADS=1 python -m benchmarks.index_types [--dimension 384] [--counts 10000,100000] [--kinds flat,ivf_sq8]

FAISS returns candidates, which are scored exactly, as in the service. `us` is the median time of a single query in
microseconds, `cpu` the median CPU time. recall@1 is measured on planted duplicates at cosine 0.97, recall@10 on unseen
members against exact search.
"""

import argparse
import platform
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from benchmarks.mixture import Floats, Mixture, mixture
from copysight.index.generations import clusters
from copysight.index.generations.engines.engine import Parameters, Visible
from copysight.index.generations.engines.files import faiss_index
from copysight.index.generations.engines.files.searcher import FaissSearcher
from copysight.index.generations.generation import Generation
from copysight.index.generations.index_type import IndexType, default_index_type
from copysight.index.generations.manifest import Manifest
from copysight.index.generations.tombstones import Tombstones
from copysight.vectors import exact_search

QUERIES = 300
K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimension", type=int, default=384, help="Dimension of the vectors. Default: 384.")
    parser.add_argument("--counts", default="10000,100000", help="Numbers of vectors. Default: 10000,100000.")
    parser.add_argument(
        "--kinds", default="flat,sq8,ivf_sq8,ivf_rabitq,hnsw", help="Index types. All are compared by default."
    )
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, one core, {options.dimension} dimensions")
    for count in (int(text) for text in options.counts.split(",")):
        data = mixture(count, options.dimension, centres=max(1, count // 50))
        truth = [exact_search.score(q, data.vectors[rows]) for q, rows in exact_rows(data)]
        nearest = np.mean([scores.max() for scores in truth])
        print(f"\nN = {count:,}; mean cosine of unseen members to their nearest neighbour: {nearest:.3f}")
        print(f"{'type':<40} {'recall@1':>8} {'recall@10':>9} {'us':>7} {'cpu':>7} {'MB':>6} {'build s':>8}")
        for kind in options.kinds.split(","):
            compare(kind, data, truth)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def exact_rows(data: Mixture) -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
    queries = data.unseen[:QUERIES]
    return zip(queries, exact_search.nearest(queries, data.vectors, K), strict=True)


def compare(kind: str, data: Mixture, truth: list[Floats]) -> None:
    """Build one index type and print one line per operating point."""
    choice = default_index_type(kind, len(data.vectors))
    started = time.process_time()
    index = faiss_index.build(choice, data.vectors)
    built = time.process_time() - started
    for point in operating_points(choice):
        generation = in_memory_generation(data.vectors, point, index)
        ones = run(generation, data.duplicates[:QUERIES], 1)
        tens = run(generation, data.unseen[:QUERIES], K)
        recall1 = np.mean([answer.rows[0] == row for answer, row in zip(ones, data.originals, strict=False)])
        recall10 = np.mean([recall_of(answer.scores, best) for answer, best in zip(tens, truth, strict=True)])
        clock, cpu = (np.median([getattr(answer, name) for answer in tens]) * 1e6 for name in ("clock", "cpu"))
        print(
            f"{format_choice(point):<40} {recall1:8.3f} {recall10:9.3f} {clock:7.0f} {cpu:7.0f} "
            f"{size(index, data):6.0f} {built:8.1f}",
            flush=True,
        )


@dataclass(frozen=True)
class Answer:
    """The rows found, best first, their scores, and the seconds of the search by the clock and in CPU time."""

    rows: npt.NDArray[np.int64]
    scores: Floats
    clock: float
    cpu: float


def run(generation: Generation, queries: Floats, k: int) -> list[Answer]:
    """Run one query after the other: candidates, exact scores, order."""
    visible = Visible.of(len(generation), Tombstones.none(len(generation)))
    answers = []
    for query in queries:
        clock, cpu = time.perf_counter(), time.process_time()
        (found,) = generation.search(query[None], k, visible, Parameters())
        order = np.lexsort((found.rows, -found.similarities))[:k]
        rows, scores = found.rows[order], found.similarities[order]
        answers.append(Answer(rows, scores, time.perf_counter() - clock, time.process_time() - cpu))
    return answers


def recall_of(found: Floats, best: Floats) -> float:
    """Return the share of the K nearest that were found. Results tied with the last one count as found."""
    return min(K, int(np.count_nonzero(found >= np.sort(best)[-K] - 1e-6))) / K


def in_memory_generation(vectors: Floats, choice: IndexType, index: Any) -> Generation:
    """Return a generation that is not on disk."""
    count, dimension = vectors.shape
    manifest = Manifest("", "", 0, count, dimension, choice, 0.0, 0, (), 0.0, {})
    rows, searcher = np.arange(count), FaissSearcher(index, vectors)
    return Generation("", Path(), manifest, rows, rows.astype(np.int32), searcher, clusters.empty(dimension), None)


def format_choice(choice: IndexType) -> str:
    parts = [f"{name} {getattr(choice, name)}" for name in ("lists", "probes", "effort") if getattr(choice, name)]
    return ", ".join([choice.kind, *parts])


def size(index: Any, data: Mixture) -> float:
    """Return the megabytes on disk of the index, or of the vectors if the type is flat."""
    return (data.vectors.nbytes if index is None else len(faiss.serialize_index(index))) / 1e6


def operating_points(choice: IndexType) -> list[IndexType]:
    """Return the operating points to compare."""
    if choice.lists:
        return [replace(choice, probes=p) for p in (4, 8, 16, 32, 64, 128) if p <= choice.lists]
    if choice.effort:
        return [replace(choice, effort=effort) for effort in (32, 128, 512)]
    return [choice]


if __name__ == "__main__":
    main()
