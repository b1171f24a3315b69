"""``evaluate clusters``: k-means and prototypes against labels, and pages on which to look at them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from copysight import bundle as bundles
from copysight.clustering import Clustering, kmeans
from copysight.embedder import Embedder
from copysight.images import decode
from copysight.scan import Entry
from evaluation import labelled, partition
from evaluation.contact import page
from evaluation.extract import Extractor, extract, extractor
from evaluation.labelled import Labelled
from evaluation.report import show

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
SHOWN = 24
RUNS = 3


@dataclass(frozen=True)
class Agreement:
    """Clusters of one kind against labels; ``stability``: mean NMI between runs of other seeds, none for prototypes."""

    set: str
    kind: str
    clusters: int
    nmi: float
    ari: float
    purity: float
    smallest: int
    largest: int
    stability: float | None


@click.command()
@click.argument("source")
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--k", type=click.IntRange(2), default=None, help="Clusters. Default: as many as classes.")
@click.option("--seed", default=0, show_default=True, help="Seed of k-means.")
@click.option("--html", type=click.Path(path_type=Path), help="Folder for a page of contact sheets per set.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def clusters(source: str, data: Sequence[Path], k: int | None, seed: int, html: Path | None, as_json: bool) -> None:
    """Cluster all pictures of DATA (folders or tar files of <split>/<class>/<picture>), compare with their classes."""
    how, prototypes = extractor(source), _prototypes(source)
    results = [result for path in data for result in measure(labelled.load(path), how, prototypes, k, seed, html)]
    report = {"source": how.name, "seed": seed, "results": [asdict(result) for result in results]}
    header = ("set", "kind", "clusters", "NMI", "ARI", "purity", "smallest", "largest", "stability")
    rows = [["-" if value is None else value for value in asdict(result).values()] for result in results]
    show(report, header, rows, as_json)


def measure(
    data: Labelled, how: Extractor, prototypes: Extractor | None, k: int | None, seed: int, html: Path | None
) -> list[Agreement]:
    """Agreement of k-means, and of prototypes if there are some; writes a page into ``html``."""
    entries: list[Entry] = [*data.train.entries, *data.val.entries]
    labels = np.concatenate([data.train.labels, data.val.labels])
    features = extract(entries, how, data.name)
    labels = labels[features.kept]
    runs = [kmeans(features.rows, k or len(data.classes), seed=seed + run) for run in range(RUNS)]
    stability = np.mean([partition.nmi(a.assignment, b.assignment) for a, b in pairwise(runs)])
    results = [compare(data.name, "k-means", runs[0].assignment, labels, float(stability))]
    if prototypes is not None:
        chosen = extract(entries, prototypes, f"{data.name} prototypes").rows.argmax(axis=1)
        results.append(compare(data.name, "prototypes", chosen, labels, None))
    if html is not None:
        html.mkdir(parents=True, exist_ok=True)
        readable = [entry for entry, kept in zip(entries, features.kept, strict=True) if kept]
        (html / f"{data.name}.html").write_text(_page(data.name, how, runs[0], readable))
    return results


def compare(name: str, kind: str, assignment: Ints, labels: Ints, stability: float | None) -> Agreement:
    """Clusters (N,) against labels (N,)."""
    sizes = np.unique(assignment, return_counts=True)[1]
    return Agreement(
        set=name,
        kind=kind,
        clusters=len(sizes),
        nmi=partition.nmi(assignment, labels),
        ari=partition.adjusted_rand(assignment, labels),
        purity=partition.purity(assignment, labels),
        smallest=int(sizes.min()),
        largest=int(sizes.max()),
        stability=stability,
    )


def _prototypes(source: str) -> Extractor | None:
    if source in {"pixels", "colours"}:
        return None
    bundle = bundles.load(source)
    if bundle.prototypes is None:
        return None
    embedder = Embedder(bundle)
    return Extractor(bundle.name, bundle.at_least, lambda picture: embedder.assign([picture])[0])


def _page(name: str, how: Extractor, found: Clustering, entries: Sequence[Entry]) -> str:
    """Every cluster's pictures that are nearest its centroid, largest cluster first."""
    sheets = []
    for cluster in np.argsort(-found.sizes, kind="stable"):
        members = np.flatnonzero(found.assignment == cluster)
        near = members[np.argsort(-found.similarity[members], kind="stable")][:SHOWN]
        pictures = [decode(entries[row].read(), at_least=64).pixels for row in near]
        mean = found.similarity[members].mean()
        sheets.append((f"Cluster {cluster}: {len(members)} pictures, mean similarity {mean:.2f}", pictures))
    return page(f"{name}: {len(sheets)} clusters of {len(entries)} pictures by {how.name}", sheets)
