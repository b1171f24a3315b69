"""What verification costs: processor time of a search with ``verify=auto`` against ``never``, and memory.

    copysight index build PICTURES --index DIR
    OMP_NUM_THREADS=1 python -m benchmarks.verification_cost DIR OTHER_PICTURES [--queries 100]

Queries are edited copies of indexed pictures (``copy``), and other pictures (``stranger``; ``hopeless`` if no candidate
is verified). Both modes run in turn on each query; the first round has no features in memory or on disk (``cold``).
"""

import argparse
import shutil
import time
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from copysight.index import Index, Query, Selection, find_copies
from copysight.matching import verification
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.decode import decode
from copysight.scoring.query_views import views_of
from copysight.scoring.self_calibration import make_copies
from copysight.scoring.verified import CANDIDATES, Mode
from copysight.vectors.knn import limit_threads
from evaluation.sources import read, scan

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    limit_threads(1)
    entries = scan(options.others).entries[: options.queries]
    with Index.open(options.index) as index:
        shutil.rmtree(index.layout.features, ignore_errors=True)
        embedder = Embedder(index.bundle, Runtime(threads=1, variant=index.variant))
        copies = make_copies(indexed(index, options.queries), np.random.default_rng(0))
        measure("copy", [jpeg(copy.pixels) for copy in copies], index, embedder)
        measure("stranger", [jpeg(read(entry)) for entry in entries], index, embedder)
        sizes = [file.stat().st_size for file in index.layout.features.glob("??/*")]
        print(f"{len(sizes)} pictures have features: {np.mean(sizes) / 1000:.1f} kB on disk, ", end="")
        print(f"{index.features.bytes / len(sizes) / 1000:.1f} kB in memory for each of them")


def indexed(index: Index, count: int) -> list[Image.Image]:
    """Thumbnails of the first items."""
    items = index.catalog.get_many(range(1, count + 1)).values()
    found = [index.blobs.thumbnail(item.sha256) for item in items]
    return [decode(data).pixels for data in found if data is not None]


def measure(kind: str, files: list[bytes], index: Index, embedder: Embedder) -> None:
    times: dict[tuple[str, str, int], list[float]] = {}
    for round_ in range(ROUNDS):
        for file in files:
            never, _ = timed(file, index, embedder, "never")
            auto, verified = timed(file, index, embedder, "auto")
            name = kind if verified or kind == "copy" else "hopeless"
            times.setdefault((name, "cold" if round_ == 0 else "warm", 0), []).append(auto / never)
            times.setdefault((name, "never, ms", 1), []).append(never * 1000)
            times.setdefault((name, "candidates", 2), []).append(verified)
    for (name, what, _), values in sorted(times.items()):
        figures = f"median {median(values):7.2f}   mean {np.mean(values):7.2f}   p95 {np.quantile(values, 0.95):7.2f}"
        print(f"{name:9} {what:11} {figures}   n {len(values)}")


def timed(file: bytes, index: Index, embedder: Embedder, mode: Mode) -> tuple[float, int]:
    """Processor seconds of a search by one file, and the number of candidates that were verified."""
    began = time.process_time()
    snapshot = index.snapshot()
    picture = decode(file, at_least=snapshot.bundle.at_least)
    views = views_of(picture.pixels)
    vectors = embedder.embed([view.pixels for view in views])
    prepare = lambda: verification.prepare(picture.pixels)  # noqa: E731 - a named argument
    query = Query(vectors, views, lambda: picture.pixels, prepare, lambda _hit, _item: False)
    found = find_copies(index, snapshot, query, Selection(CANDIDATES, effort="normal", verify=mode))
    return time.process_time() - began, sum(match.outcome.verified for match in found.matches)


def jpeg(picture: Image.Image) -> bytes:
    """The picture as a JPEG file."""
    out = BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


if __name__ == "__main__":
    main()
