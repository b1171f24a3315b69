"""The default bundle by k-NN, linear classifier and clusters, beside the same networks untrained, pixels and colours.

Prints a Markdown table; the functions are those of ``copysight evaluate knn``, ``linear`` and ``clusters`` with their
defaults, but for two views of each picture instead of four; a bundle runs in its usual precision.

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
"""The networks of the default bundle: name, input in pixels, what its embedding is made of."""


def main() -> None:
    """Print rows for each source and each labelled set."""
    folder = Path(os.environ.get("COPYSIGHT_DATA", "")) / "labelled"
    sets = [labelled.load(file) for file in sorted(folder.glob("*.tar"))]
    if not sets:
        sys.exit(f"set COPYSIGHT_DATA to the folder that holds labelled/*.tar (there is none in {folder})")
    with tempfile.TemporaryDirectory() as scratch:
        sources = sys.argv[1:] or ["default", *untrained(Path(scratch)), *PLAIN]
        print("\n".join(f"| {' | '.join(line)} |" for line in (HEADER, ["---"] * len(HEADER))))
        for source in sources:
            for data in sets:
                measure(source, data)


def untrained(scratch: Path) -> list[str]:
    """Bundles of the default's networks as they are before training."""
    paths = []
    for name, size, recipe in UNTRAINED:
        torch.manual_seed(SEED)
        path = scratch / f"{name.removeprefix('timm:')}-untrained"
        export([exportable.load(name, size, recipe, random=True)], path)
        paths.append(str(path))
    return paths


def measure(source: str, data: LabelledSet) -> None:
    """Print a row for k-means, and one for prototypes if there are some."""
    extractor, prototypes = described(source), clusters.prototypes_of(source)
    whole = cached(extractor)
    near = [found.top1 for found in knn.measure(data, whole, KS, knn.TEMPERATURE)]
    fitted = linear.measure(data, extractor, VIEWS, EPOCHS, SEED)
    classes = [*near, fitted.top1, fitted.top5]
    for found in clusters.cluster(data, whole, prototypes, None, SEED).results:
        agreement = [found.nmi, found.ari, found.purity, found.stability]
        values = [*(classes if found.stability is not None else [None] * len(classes)), *agreement]
        words = [data.name, extractor.name, f"{found.clusters} by {found.kind}"]
        print(f"| {' | '.join([*words, *map(text, values)])} |", flush=True)


def described(source: str) -> Extractor:
    """Pixels, colours, or a bundle in the precision that a new index takes."""
    return extract.load_extractor(source, "fp32" if source in PLAIN else bundles.load(source).default_variant)


def text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
