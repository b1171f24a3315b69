"""``evaluate knn``: classify by a weighted vote of nearest neighbours (Wu et al. 2018; DINO, section 4.1)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.system.numbers import Real
from copysight.vectors.knn import accuracy, exact, vote
from evaluation.arguments import sources_and_data
from evaluation.features.extract import Extractor, extract, load_extractor
from evaluation.labels import labelled
from evaluation.labels.labelled import LabelledSet
from evaluation.report import Answer, print_answers
from evaluation.sources import reading_sources

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
TEMPERATURE = 0.07


@dataclass(frozen=True)
class Result:
    """Top-1 and top-5 accuracy with ``k`` neighbours."""

    set: str
    k: int
    top1: float
    top5: float


@click.command()
@sources_and_data()
@click.option(
    "--k",
    "ks",
    multiple=True,
    type=click.IntRange(1),
    default=(5, 10, 20, 100),
    show_default=True,
    help="Number of neighbours. May be repeated.",
)
@click.option(
    "--temperature",
    type=Real(0, min_open=True),
    default=TEMPERATURE,
    show_default=True,
    help="The weight of a neighbour is exp(cosine / temperature).",
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def knn(sources: Sequence[str], data: Sequence[Path], ks: Sequence[int], temperature: float, as_json: bool) -> None:
    """Classify the pictures of DATA/val by their nearest neighbours in DATA/train.

    DATA is one or more labelled sets: folders or tar files of <split>/<class>/<picture>, where the split is train or
    val. Prints the top-1 and top-5 accuracy for each k.
    """
    sets, answers = [labelled.load(path) for path in data], []
    for source in sources:
        extractor = load_extractor(source)
        results = [result for found in sets for result in measure(found, extractor, ks, temperature)]
        report = {"source": extractor.name, "temperature": temperature, "results": [asdict(one) for one in results]}
        rows = [[result.set, result.k, result.top1, result.top5] for result in results]
        answers.append(Answer(source, report, ("set", "k", "top-1", "top-5"), rows))
    print_answers(answers, as_json)


def measure(data: LabelledSet, extractor: Extractor, ks: Sequence[int], temperature: float) -> list[Result]:
    """Return one result per k. Raises ``InvalidArgument`` if the largest k exceeds the number of training pictures."""
    _check(data, max(ks), len(data.train.entries))
    train = extract(data.train.entries, extractor, f"{data.name} train")
    val = extract(data.val.entries, extractor, f"{data.name} val")
    labels, truth = data.train.labels[train.kept], data.val.labels[val.kept]
    _check(data, max(ks), len(labels))
    neighbours = exact(val.rows, train.rows, max(ks))
    results = []
    for k in ks:
        scores = vote(neighbours, labels, len(data.classes), k, temperature)
        results.append(Result(data.name, k, accuracy(scores, truth), accuracy(scores, truth, top=5)))
    return results


def _check(data: LabelledSet, k: int, pictures: int) -> None:
    if k > pictures:
        raise InvalidArgument(f"got --k {k}, but {data.name} has {pictures} training pictures; use a smaller --k")
