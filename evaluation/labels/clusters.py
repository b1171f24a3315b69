"""``evaluate clusters``: compare k-means clusters and prototypes with labels, and write contact sheets."""

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
from copysight.pictures.scan import Entry
from copysight.vectors.clustering import Clustering, kmeans
from evaluation.arguments import BASELINES, place_of, sources_and_data
from evaluation.features.extract import PATCHES, Extractor, extract, load_extractor
from evaluation.labels import labelled
from evaluation.labels.contact_sheet import page
from evaluation.labels.labelled import LabelledSet
from evaluation.metrics import partition
from evaluation.report import Answer, print_answers
from evaluation.sources import read, reading_sources

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
HEADER = ("set", "kind", "clusters", "NMI", "ARI", "purity", "smallest", "largest", "stability")
PICTURES_PER_CLUSTER = 24
RUNS = 3


@dataclass(frozen=True)
class Agreement:
    """Agreement of clusters with labels. ``stability``: mean NMI between runs of several seeds; None for prototypes."""

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
@sources_and_data()
@click.option("--k", type=click.IntRange(2), default=None, help="Number of clusters. By default the number of classes.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1 - RUNS), default=0, show_default=True, help="Seed of k-means.")
@click.option(
    "--html", type=click.Path(path_type=Path), help="Folder to write one HTML page with contact sheets per set to."
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def clusters(
    sources: Sequence[str], data: Sequence[Path], k: int | None, seed: int, html: Path | None, as_json: bool
) -> None:
    """Cluster the pictures of DATA and compare the clusters with the classes.

    DATA is one or more labelled sets: folders or tar files of <split>/<class>/<picture>. Both splits are used. If the
    bundle has prototypes, they are compared with the classes, too.
    """
    sets, answers = [labelled.load(path) for path in data], []
    for source in sources:
        extractor, prototypes = load_extractor(source), prototypes_of(source)
        pages = None if html is None else place_of(html, source, sources)
        results = [result for found in sets for result in measure(found, extractor, prototypes, k, seed, pages)]
        report = {"source": extractor.name, "seed": seed, "results": [asdict(result) for result in results]}
        rows = [["-" if value is None else value for value in asdict(result).values()] for result in results]
        answers.append(Answer(source, report, HEADER, rows, seed))
    print_answers(answers, as_json)


@dataclass(frozen=True)
class Clusters:
    """Clusters of the first k-means run, the N pictures and class names, and the agreement of all runs with labels."""

    results: list[Agreement]
    found: Clustering
    entries: list[Entry]
    classes: list[str]

    def sheets(self) -> list[tuple[str, list[Image.Image]]]:
        """Return, for each cluster, a title and the pictures nearest to its centroid; the largest cluster first."""
        sheets = []
        for cluster in np.argsort(-self.found.sizes, kind="stable"):
            members = np.flatnonzero(self.found.assignment == cluster)
            near = members[np.argsort(-self.found.similarity[members], kind="stable")][:PICTURES_PER_CLUSTER]
            pictures = [read(self.entries[row], at_least=64) for row in near]
            mean = self.found.similarity[members].mean()
            name, count = Counter(self.classes[row] for row in members).most_common(1)[0]
            text = f"{len(members)} pictures, {count} of them {name}, mean similarity {mean:.2f}"
            sheets.append((f"Cluster {cluster}: {text}", pictures))
        return sheets


def measure(
    data: LabelledSet, extractor: Extractor, prototypes: Extractor | None, k: int | None, seed: int, html: Path | None
) -> list[Agreement]:
    """Return the agreement of k-means and, if present, of prototypes. Writes a page to the folder ``html``."""
    clustered = cluster(data, extractor, prototypes, k, seed)
    if html is not None:
        html.mkdir(parents=True, exist_ok=True)
        sheets = clustered.sheets()
        title = f"{data.name}: {len(sheets)} clusters of {len(clustered.entries)} pictures by {extractor.name}"
        (html / f"{data.name}.html").write_text(page(title, sheets))
    return clustered.results


def cluster(
    data: LabelledSet, extractor: Extractor, prototypes: Extractor | None, k: int | None, seed: int
) -> Clusters:
    """Cluster all pictures, train and val, by k-means with several seeds and by prototypes."""
    entries: list[Entry] = [*data.train.entries, *data.val.entries]
    labels = np.concatenate([data.train.labels, data.val.labels])
    features = extract(entries, extractor, data.name)
    labels = labels[features.kept]
    runs = [kmeans(features.rows, k or len(data.classes), seed=seed + run) for run in range(RUNS)]
    stability = np.mean([partition.nmi(a.assignment, b.assignment) for a, b in combinations(runs, 2)])
    results = [compare(data.name, "k-means", runs[0].assignment, labels, float(stability))]
    if prototypes is not None:
        chosen = extract(entries, prototypes, f"{data.name} prototypes").rows.argmax(axis=1)
        results.append(compare(data.name, "prototypes", chosen, labels, None))
    readable = [entry for entry, kept in zip(entries, features.kept, strict=True) if kept]
    return Clusters(results, runs[0], readable, [data.classes[label] for label in labels])


def compare(name: str, kind: str, assignment: Ints, labels: Ints, stability: float | None) -> Agreement:
    """Compare clusters (N,) with labels (N,)."""
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
    """Return an extractor of the prototype probabilities of a bundle, or None if there are no prototypes."""
    if source in BASELINES or source.endswith(PATCHES):
        return None
    bundle = bundles.load(source)
    if bundle.prototypes is None:
        return None
    embedder = Embedder(bundle)
    return Extractor(bundle.name, bundle.at_least, lambda picture: embedder.assign([picture])[0])
