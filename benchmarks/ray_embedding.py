"""Pictures a second of a build's embedding on a Ray cluster beside a local one, in turns, with the same workers.

    python -m tests.cluster.servers ray &          # prints a line to export
    OMP_NUM_THREADS=1 python -m benchmarks.ray_embedding PICTURES --ray $RAY_ADDRESS [--workers 2] [--rounds 3]

PICTURES is a folder. Blobs are kept in memory. The start of the workers is measured apart, up to the first record.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.scan import ORDINARY, scan
from index_builder.stages import embedding, ray_embedding
from index_builder.stages.embedding import EmbedContext
from index_builder.stages.records import Record


@dataclass(frozen=True)
class Speed:
    """Seconds up to the first record, and pictures a second from there on."""

    start: float
    rate: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="Folder of pictures.")
    parser.add_argument("--ray", required=True, help="Address of the cluster.")
    parser.add_argument("--workers", type=int, default=2, help="Workers of both. Default: 2.")
    parser.add_argument("--rounds", type=int, default=3, help="Rounds. Default: 3.")
    options = parser.parse_args()
    entries = scan(options.pictures, ORDINARY).entries
    bundle = bundles.load("default")
    embedder = Embedder(bundle, Runtime(variant=bundle.default_variant))

    def context() -> EmbedContext:
        blobs: dict[str, bytes] = {}
        return EmbedContext(embedder, {}, False, True, blobs.__setitem__, options.workers, ORDINARY.limits)

    ways: dict[str, Callable[[], Iterator[Record]]] = {
        "local": lambda: embedding.embed_entries(entries, context()),
        "ray": lambda: ray_embedding.embed_entries(entries, context(), options.ray),
    }
    print(f"{len(entries)} pictures, {options.workers} workers, bundle {bundle.name} ({embedder.runtime.variant})")
    for _, (name, way) in itertools.product(range(options.rounds), ways.items()):
        found = speed(way())
        print(f"{name:6} first record after {found.start:5.1f} s, then {found.rate:6.1f} pictures/s", flush=True)


def speed(records: Iterator[Record]) -> Speed:
    """Read all records and take the time."""
    began = time.perf_counter()
    next(records)
    first = time.perf_counter()
    count = sum(1 for _ in records)
    return Speed(first - began, count / (time.perf_counter() - first))


if __name__ == "__main__":
    main()
