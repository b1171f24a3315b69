"""Evaluate bundles by k-NN, linear classifier and clusters, with untrained networks, pixels and colours as baselines.

Prints a Markdown table. The functions and defaults are those of ``copysight evaluate knn``, ``linear`` and
``clusters``, but with two views of each picture instead of four. A bundle runs in its default precision.

    COPYSIGHT_DATA=folder python -m benchmarks.yardsticks [SOURCE …]     (reads labelled/*.tar in that folder)
"""

import os
import sys
import tempfile
from pathlib import Path

import torch

from copysight.model import bundle as bundles
from evaluation.features import extract
from evaluation.features.cache import cached
from evaluation.features.extract import Extractor
from evaluation.labels import clusters, knn, labelled, linear
from evaluation.labels.labelled import LabelledSet
from training.export import exportable
from training.export.export import export

KS = (5, 20)
VIEWS, EPOCHS, SEED = 2, 100, 0
PLAIN = ("pixels", "colours")
HEADER = (
    *("set", "source", "clusters", "k-NN, k = 5", "k-NN, k = 20", "linear", "linear, top-5"),
    *("NMI", "ARI", "purity", "stability"),
)
UNTRAINED = (("timm:resnet10t", 256, "gem"), ("timm:vit_tiny_patch16_224", 160, "cls"))
"""The networks of the default bundle: name, input size in pixels, recipe of the embedding."""


def main() -> None:
    """Print the rows of each source and labelled set."""
    folder = Path(os.environ.get("COPYSIGHT_DATA", "")) / "labelled"
    sets = [labelled.load(file) for file in sorted(folder.glob("*.tar"))]
    if not sets:
        sys.exit(f"set COPYSIGHT_DATA to the folder that holds labelled/*.tar ({folder} has none)")
    with tempfile.TemporaryDirectory() as scratch:
        sources = sys.argv[1:] or ["default", *untrained(Path(scratch)), *PLAIN]
        print("\n".join(f"| {' | '.join(line)} |" for line in (HEADER, ["---"] * len(HEADER))))
        for source in sources:
            for data in sets:
                measure(source, data)


def untrained(scratch: Path) -> list[str]:
    """Export the networks of the default bundle with random weights; return the folders."""
    paths = []
    for name, size, recipe in UNTRAINED:
        torch.manual_seed(SEED)
        path = scratch / f"{name.removeprefix('timm:')}-untrained"
        export([exportable.load(name, size, recipe, random=True)], path)
        paths.append(str(path))
    return paths


def measure(source: str, data: LabelledSet) -> None:
    """Print one row for k-means and, if present, one for prototypes."""
    extractor, prototypes = load_source(source), clusters.prototypes_of(source)
    cached_extractor = cached(extractor)
    knn_top1 = [found.top1 for found in knn.measure(data, cached_extractor, KS, knn.TEMPERATURE)]
    fitted = linear.measure(data, extractor, VIEWS, EPOCHS, SEED)
    classes = [*knn_top1, fitted.top1, fitted.top5]
    for found in clusters.cluster(data, cached_extractor, prototypes, None, SEED).results:
        agreement = [found.nmi, found.ari, found.purity, found.stability]
        values = [*(classes if found.stability is not None else [None] * len(classes)), *agreement]
        words = [data.name, extractor.name, f"{found.clusters} by {found.kind}"]
        print(f"| {' | '.join([*words, *map(text, values)])} |", flush=True)


def load_source(source: str) -> Extractor:
    """Load pixels, colours, or a bundle in its default precision."""
    return extract.load_extractor(source, "fp32" if source in PLAIN else bundles.load(source).default_variant)


def text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
