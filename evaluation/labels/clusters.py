"""``evaluate clusters``: k-means and prototypes against labels, and pages on which to look at them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode
from copysight.pictures.scan import Entry
from copysight.vectors.clustering import Clustering, kmeans
from evaluation.features.extract import Extractor, extract, extractor
from evaluation.figures import partition
from evaluation.labels import labelled
from evaluation.labels.contact_sheet import page
from evaluation.labels.labelled import Labelled
from evaluation.report import show

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
HEADER = ("set", "kind", "clusters", "NMI", "ARI", "purity", "smallest", "largest", "stability")
SHOWN = 24
RUNS = 3


@dataclass(frozen=True)
class Agreement:
    """Clusters of one kind against labels; ``stability``: mean NMI of runs of other seeds, none for prototypes."""

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
    how, prototypes = extractor(source), prototypes_of(source)
    results = [result for path in data for result in measure(labelled.load(path), how, prototypes, k, seed, html)]
    report = {"source": how.name, "seed": seed, "results": [asdict(result) for result in results]}
    rows = [["-" if value is None else value for value in asdict(result).values()] for result in results]
    show(report, HEADER, rows, as_json)


@dataclass(frozen=True)
class Grouped:
    """Agreement with the labels; the clusters of the first run, the ``entries`` (N,) they are of, and their classes."""

    results: list[Agreement]
    found: Clustering
    entries: list[Entry]
    classes: list[str]

    def sheets(self) -> list[tuple[str, list[Image.Image]]]:
        """Every cluster's pictures that are nearest its centroid, largest cluster first, with its commonest class."""
        sheets = []
        for cluster in np.argsort(-self.found.sizes, kind="stable"):
            members = np.flatnonzero(self.found.assignment == cluster)
            near = members[np.argsort(-self.found.similarity[members], kind="stable")][:SHOWN]
            pictures = [decode(self.entries[row].read(), at_least=64).pixels for row in near]
            mean = self.found.similarity[members].mean()
            name, count = Counter(self.classes[row] for row in members).most_common(1)[0]
            text = f"{len(members)} pictures, {count} of them {name}, mean similarity {mean:.2f}"
            sheets.append((f"Cluster {cluster}: {text}", pictures))
        return sheets


def measure(
    data: Labelled, how: Extractor, prototypes: Extractor | None, k: int | None, seed: int, html: Path | None
) -> list[Agreement]:
    """Agreement of k-means, and of prototypes if there are some; writes a page into ``html``."""
    grouped = group(data, how, prototypes, k, seed)
    if html is not None:
        html.mkdir(parents=True, exist_ok=True)
        sheets = grouped.sheets()
        title = f"{data.name}: {len(sheets)} clusters of {len(grouped.entries)} pictures by {how.name}"
        (html / f"{data.name}.html").write_text(page(title, sheets))
    return grouped.results


def group(data: Labelled, how: Extractor, prototypes: Extractor | None, k: int | None, seed: int) -> Grouped:
    """Clusters of all pictures, train and val, by k-means of several seeds and by prototypes."""
    entries: list[Entry] = [*data.train.entries, *data.val.entries]
    labels = np.concatenate([data.train.labels, data.val.labels])
    features = extract(entries, how, data.name)
    labels = labels[features.kept]
    runs = [kmeans(features.rows, k or len(data.classes), seed=seed + run) for run in range(RUNS)]
    stability = np.mean([partition.nmi(a.assignment, b.assignment) for a, b in combinations(runs, 2)])
    results = [compare(data.name, "k-means", runs[0].assignment, labels, float(stability))]
    if prototypes is not None:
        chosen = extract(entries, prototypes, f"{data.name} prototypes").rows.argmax(axis=1)
        results.append(compare(data.name, "prototypes", chosen, labels, None))
    readable = [entry for entry, kept in zip(entries, features.kept, strict=True) if kept]
    return Grouped(results, runs[0], readable, [data.classes[label] for label in labels])


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


def prototypes_of(source: str) -> Extractor | None:
    """Probabilities of a bundle's prototypes; None if it has none."""
    if source in {"pixels", "colours"}:
        return None
    bundle = bundles.load(source)
    if bundle.prototypes is None:
        return None
    embedder = Embedder(bundle)
    return Extractor(bundle.name, bundle.at_least, lambda picture: embedder.assign([picture])[0])
