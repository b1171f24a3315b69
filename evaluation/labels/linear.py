"""``evaluate linear``: train a linear classifier on frozen embeddings (DINO, section 4.1)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.system.progress import with_progress
from copysight.vectors.knn import accuracy
from evaluation.arguments import sources_and_data
from evaluation.features import backbone
from evaluation.features.extract import Extractor, extract, load_extractor
from evaluation.labels import labelled
from evaluation.labels.labelled import LabelledSet
from evaluation.report import Answer, print_answers
from evaluation.sources import reading_sources

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
RATES: Sequence[float] = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Learning rates to try. Embeddings have length 1, so the rates are larger than in the papers."""
MOMENTUM, BATCH, HELD_OUT = 0.9, 256, 0.2


@dataclass(frozen=True)
class Result:
    """Top-1 and top-5 accuracy. ``rate``: the best learning rate on the held-out fifth of the training pictures."""

    set: str
    top1: float
    top5: float
    rate: float


@click.command()
@sources_and_data()
@click.option("--views", default=4, show_default=True, type=click.IntRange(1), help="Augmented views of each picture.")
@click.option(
    "--epochs",
    default=100,
    show_default=True,
    type=click.IntRange(1),
    help="Number of epochs. The epochs use the views in turn.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of views, order and weights."
)
@click.option(
    "--recipe",
    type=click.Choice(list(backbone.RECIPES)),
    help="Features and learning rate of DINO's released evaluation of this network, from the weights of the bundle. "
    "By default the embedding of the bundle is used.",
)
@click.option(
    "--size", default=224, show_default=True, type=click.IntRange(32), help="With --recipe: input size in pixels."
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def linear(
    sources: Sequence[str],
    data: Sequence[Path],
    views: int,
    epochs: int,
    seed: int,
    recipe: str | None,
    size: int,
    as_json: bool,
) -> None:
    """Train a linear classifier on DATA/train and test it on DATA/val.

    DATA is one or more labelled sets: folders or tar files of <split>/<class>/<picture>. The optimiser is SGD with
    momentum 0.9, no weight decay and a cosine schedule to 0. Views are random resized crops and flips, as in DINO's
    released code.
    """
    sets, answers = [labelled.load(path) for path in data], []
    for source in sources:
        if recipe is None:
            extractor, whole, rates = load_extractor(source), None, RATES
        else:
            network, chosen = backbone.load(source), backbone.RECIPES[recipe]
            extractor, whole = (network.linear(chosen, size, squash) for squash in (False, True))
            rates = (chosen.rate,)
        results = [measure(found, extractor, views, epochs, seed, whole, rates) for found in sets]
        report = {
            "source": extractor.name,
            "views": views,
            "epochs": epochs,
            "results": [asdict(result) for result in results],
        }
        rows = [[result.set, result.top1, result.top5, result.rate] for result in results]
        answers.append(Answer(source, report, ("set", "top-1", "top-5", "lr"), rows, seed))
    print_answers(answers, as_json)


def measure(
    data: LabelledSet,
    extractor: Extractor,
    views: int,
    epochs: int,
    seed: int,
    crops: Extractor | None = None,
    rates: Sequence[float] = RATES,
) -> Result:
    """Choose the learning rate on held-out training pictures, train on all training pictures, test on val.

    ``crops`` is the extractor for the training views; the default is ``extractor``.
    """
    view_features = [
        extract(
            data.train.entries,
            augmented(crops or extractor, seed + number),
            f"{data.name} view {number + 1} of {views}",
        )
        for number in range(views)
    ]
    val = extract(data.val.entries, extractor, f"{data.name} val")
    kept = view_features[0].kept
    rows, labels = np.stack([view.rows for view in view_features]), data.train.labels[kept]
    rng = np.random.default_rng(seed)
    held = rng.random(len(labels)) < HELD_OUT
    rate = rates[0]
    if len(rates) > 1 and held.any() and not held.all():
        tried = {
            r: fit(rows[:, ~held], labels[~held], len(data.classes), r, epochs, seed)
            for r in with_progress(rates, len(rates), f"{data.name} learning rates")
        }
        rate = max(tried, key=lambda r: accuracy(_scores(tried[r], rows[0, held]), labels[held]))
    scores = _scores(fit(rows, labels, len(data.classes), rate, epochs, seed), val.rows)
    truth = data.val.labels[val.kept]
    return Result(data.name, accuracy(scores, truth), accuracy(scores, truth, top=5), rate)


def fit(views: Float, labels: Ints, classes: int, rate: float, epochs: int, seed: int) -> Float:
    """Fit a softmax regression on ``views`` (V, N, D); return weights (D + 1, classes), the bias last.

    Epoch e uses view e mod V.
    """
    rng = np.random.default_rng(seed)
    count, width = views.shape[1:]
    weights = np.concatenate([rng.normal(0, 0.01, (width, classes)), np.zeros((1, classes))]).astype(np.float32)
    velocity = np.zeros_like(weights)
    targets = np.eye(classes, dtype=np.float32)[labels]
    ones = np.ones((count, 1), np.float32)
    for epoch in range(epochs):
        x = np.concatenate([views[epoch % len(views)], ones], axis=1)
        step = rate * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        order = rng.permutation(count)
        for start in range(0, count, BATCH):
            batch = order[start : start + BATCH]
            error = softmax(x[batch] @ weights) - targets[batch]
            velocity = MOMENTUM * velocity + x[batch].T @ error / len(batch)
            weights -= np.float32(step) * velocity
    return weights


def softmax(logits: Float) -> Float:
    """Return the softmax of the rows of ``logits`` (B, C)."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def augmented(extractor: Extractor, seed: int) -> Extractor:
    """Return an extractor of random resized crops (area 0.08 to 1, ratio 3/4 to 4/3), flipped with chance 0.5."""

    def embed(picture: Image.Image) -> Float:
        # One generator per picture: threads must not share one, and the crop then depends on the content alone.
        rng = np.random.default_rng([seed, picture.width, picture.height, *picture.resize((2, 2)).tobytes()])
        crop = picture.crop(crop_box(picture.width, picture.height, rng))
        return extractor.embed(crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop)

    # The smallest crop has about a quarter of the side, and must still be at least ``at_least`` pixels.
    return Extractor(extractor.name, 4 * extractor.at_least, embed)


def crop_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return a random crop box (left, top, right, bottom), or the whole picture if ten draws do not fit."""
    for _ in range(10):
        area = width * height * rng.uniform(0.08, 1.0)
        ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height


def _scores(weights: Float, rows: Float) -> Float:
    return np.asarray(rows @ weights[:-1] + weights[-1], np.float32)
