"""``evaluate attention``: how well maps find the objects of pictures, beside untrained networks and plain baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import Preprocess
from copysight.system.progress import with_progress
from evaluation.arguments import sources_and_data
from evaluation.attention import maps, masked
from evaluation.attention.maps import FoundMaps, Maps
from evaluation.attention.masked import MaskedPicture
from evaluation.metrics.ranking import average_precision, curve
from evaluation.metrics.region import region
from evaluation.report import Answer, print_answers
from evaluation.sources import reading_sources

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
HEADER = ("map", "jaccard", "from", "to", "pointing", "AP", "over ellipse", "from", "to")
ELLIPSE = "ellipse"
SAMPLES = 1000
"""Bootstrap samples of the pictures."""
SQUARE = Preprocess(160, "shortest", 183, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Input of the untrained network beside a bundle without attention."""


@dataclass(frozen=True)
class Interval:
    """A mean over pictures, and the 95 % interval of its bootstrap."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Quality:
    """How well one map finds objects.

    ``jaccard`` of its mask; ``pointing``: share of the pictures whose largest value is on the object; ``precision``:
    mean average precision of the values of the pixels. ``over_ellipse``: its Jaccard index minus that of the best
    ellipse, picture by picture.
    """

    jaccard: Interval
    pointing: Interval
    precision: Interval
    over_ellipse: Interval


@click.command()
@sources_and_data("bundle", several=False)
@click.option(
    "--step",
    default=masked.STEP,
    show_default=True,
    type=click.IntRange(1),
    help="Take each so many-th frame of a video.",
)
@click.option("--most", type=click.IntRange(2), help="Measure at most this many pictures, drawn at random.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the draw and the bootstrap."
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def attention(sources: Sequence[str], data: Path, step: int, most: int | None, seed: int, as_json: bool) -> None:
    """Measure how well the maps of BUNDLE find the objects of the pictures in DATA.

    DATA is a folder or tar file with images/<name> and masks/<name>.png, or a video in the DAVIS layout. Measured are
    the best attention head (or prototype), the objects that the ranking (the default of `copysight attention`),
    TokenCut and LOST find by the patches, an untrained ViT at the same input, the spectral residual (a saliency map),
    and a centred ellipse of the best size. The best head and the best size are chosen on DATA itself.
    """
    pictures = masked.load(data, step)
    if most is not None and most < len(pictures):
        pictures = [pictures[place] for place in sorted(np.random.default_rng(seed).permutation(len(pictures))[:most])]
    answers = []
    for source in sources:
        found = measure(pictures, maps_of(source, seed), seed)
        rows = [_row(name, quality) for name, quality in found.items()]
        report: dict[str, Any] = {"pictures": len(pictures), "maps": {name: asdict(one) for name, one in found.items()}}
        answers.append(
            Answer(source, report if len(sources) == 1 else {"source": source, **report}, HEADER, rows, seed)
        )
    print_answers(answers, as_json)


def maps_of(source: str, seed: int) -> dict[str, Maps]:
    """All maps to measure for a bundle, by kind. Raises ``BundleError``."""
    embedder = Embedder(bundles.load(source))
    bundle = embedder.bundle
    found: dict[str, Maps] = {}
    attends = bundle.attention is not None or bundle.activations is not None
    if attends:
        found["best head"] = maps.heads(embedder)
    if bundle.patches is not None and bundle.patches.any_size is not None:
        found["objects"] = maps.objects(embedder)
    preprocess = bundle.graphs[bundle.graph_of("attention")].preprocess if bundle.attention else SQUARE
    return found | {
        "untrained": maps.untrained(preprocess, seed),
        "saliency": maps.saliency,
        ELLIPSE: maps.ellipses,
    }


def measure(pictures: Sequence[MaskedPicture], kinds: Mapping[str, Maps], seed: int) -> dict[str, Quality]:
    """The quality of each kind of maps: of ``objects`` each one, of the others the one with the best Jaccard index.

    ``kinds`` must hold the ellipse.
    """
    scores: dict[str, dict[str, list[tuple[float, float, float]]]] = {kind: {} for kind in kinds}
    for one in with_progress(pictures, len(pictures), "pictures"):
        picture, truth = one.picture(), one.mask()
        size = maps.compared_size(*picture.size)
        small = maps.nearest(truth, size)
        if small.any() and not small.all():
            for kind, make in kinds.items():
                _add(scores[kind], make(picture), small)
    chosen: dict[str, Floats] = {}
    for kind, found in scores.items():
        arrays = {name: np.asarray(rows) for name, rows in found.items()}
        best = max(arrays, key=lambda name: float(arrays[name][:, 0].mean()))
        chosen |= arrays if kind == "objects" else {f"{kind} ({best})": arrays[best]}
    ellipse = next(rows for name, rows in chosen.items() if name.startswith(ELLIPSE))
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(ellipse), (SAMPLES, len(ellipse)))
    return {
        name: Quality(
            jaccard=interval(rows[:, 0], draws),
            pointing=interval(rows[:, 1], draws),
            precision=interval(rows[:, 2], draws),
            over_ellipse=interval(rows[:, 0] - ellipse[:, 0], draws),
        )
        for name, rows in chosen.items()
    }


def interval(values: Floats, draws: npt.NDArray[np.int64]) -> Interval:
    """The mean of ``values`` (N,), and the percentiles 2.5 and 97.5 of the means of samples ``draws`` (S, N)."""
    low, high = np.percentile(values[draws].mean(axis=1), (2.5, 97.5))
    return Interval(float(values.mean()), float(low), float(high))


def score(values: npt.NDArray[np.float32], mask: Mask, truth: Mask) -> tuple[float, float, float]:
    """Jaccard index of ``mask``, whether the largest value is on the object, and average precision of the values."""
    precision = average_precision(curve(truth.ravel(), values.ravel().astype(np.float64), int(truth.sum())))
    return region(mask, truth), float(truth.flat[int(np.argmax(values))]), precision


def _add(found: dict[str, list[tuple[float, float, float]]], maps: FoundMaps, truth: Mask) -> None:
    for number, (name, values, mask) in enumerate(zip(maps.names, maps.values, maps.masks, strict=True)):
        # Prototypes are other ones for each picture; their rank names them.
        key = f"prototype {number + 1}" if name.startswith("prototype") else name
        found.setdefault(key, []).append(score(values, mask, truth))


def _row(name: str, quality: Quality) -> list[object]:
    jaccard, over = quality.jaccard, quality.over_ellipse
    points = [quality.pointing.mean, quality.precision.mean]
    return [name, jaccard.mean, jaccard.low, jaccard.high, *points, over.mean, over.low, over.high]
