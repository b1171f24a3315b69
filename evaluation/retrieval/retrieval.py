"""``evaluate retrieval``: mean average precision on revisited Oxford and Paris or on a labelled set."""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np

from copysight.errors import InvalidArgument
from copysight.pictures.scan import Entry
from copysight.vectors.knn import exact
from evaluation.arguments import sources_and_data
from evaluation.features import backbone
from evaluation.features.extract import Extractor, extract, load_extractor
from evaluation.features.tokens import SCALES
from evaluation.labels import labelled
from evaluation.labels.labelled import LabelledSet
from evaluation.metrics import retrieval_map
from evaluation.metrics.retrieval_map import Scores, Truth
from evaluation.report import Answer, print_answers
from evaluation.sources import reading_sources, scan

KAPPAS = (1, 5, 10)
ALLOWED_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""The only globals that a ground-truth pickle may use, besides plain lists, numbers and strings."""


@dataclass(frozen=True)
class GroundTruth:
    """Names (without suffix) of the database and query pictures, and the ground truth of each query."""

    database: tuple[str, ...]
    queries: tuple[str, ...]
    truths: tuple[Truth, ...]


@click.command()
@sources_and_data(several=False)
@click.option(
    "--truth",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ground-truth file: gnd_roxford5k.pkl or gnd_rparis6k.pkl.",
)
@click.option(
    "--size",
    type=click.IntRange(32),
    help="Longest side of the input in pixels. Uses [CLS] from the weights of the bundle instead of its embedding.",
)
@click.option(
    "--multiscale", is_flag=True, help="With --size: use the mean of the features at the scales 1, 0.71 and 0.5."
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def retrieval(
    sources: Sequence[str], data: Path, truth: Path | None, size: int | None, multiscale: bool, as_json: bool
) -> None:
    """Measure the mean average precision of retrieval in DATA.

    With --truth, DATA is the folder of the pictures of revisited Oxford or Paris, and the protocols are easy (E),
    medium (M) and hard (H). Without --truth, DATA is a labelled set: a folder or tar file of
    <split>/<class>/<picture>. Pictures of val are the queries, pictures of train are the database, and pictures of
    the same class are correct. Whole pictures are compared. The query box is not cropped, as in DINO's evaluation.
    """
    if multiscale and size is None:
        raise click.UsageError("--multiscale needs --size (DINO uses 512 for Paris)")
    scales = SCALES if multiscale else (1.0,)
    answers = []
    for source in sources:
        extractor = load_extractor(source) if size is None else backbone.load(source).retrieval(size, scales)
        scores = (
            by_protocol(read_ground_truth(truth), data, extractor)
            if truth
            else by_class(labelled.load(data), extractor)
        )
        results = {
            name: {"map": found.map, **{f"mp{k}": mean for k, mean in zip(KAPPAS, found.mean_precision, strict=True)}}
            for name, found in scores.items()
        }
        rows = [[name, *(float(value) for value in result.values())] for name, result in results.items()]
        header = ("protocol", "mAP", *(f"mP@{k}" for k in KAPPAS))
        answers.append(Answer(source, {"source": extractor.name, "results": results}, header, rows))
    print_answers(answers, as_json)


def by_class(found: LabelledSet, extractor: Extractor) -> dict[str, Scores]:
    """Return the scores if pictures of the class of the query are correct."""
    train = extract(found.train.entries, extractor, f"{found.name} train")
    val = extract(found.val.entries, extractor, f"{found.name} val")
    labels = found.train.labels[train.kept]
    wanted = [np.flatnonzero(labels == label) for label in found.val.labels[val.kept]]
    ranks = exact(val.rows, train.rows, len(labels)).ids.T
    return {"class": retrieval_map.score(ranks, wanted, [np.empty(0, np.int64)] * len(wanted), KAPPAS)}


def by_protocol(truth: GroundTruth, pictures: Path, extractor: Extractor) -> dict[str, Scores]:
    """Return the scores of the protocols E, M and H.

    Raises ``InvalidArgument`` if pictures are missing or cannot be read.
    """
    entries = {PurePosixPath(entry.key).stem: entry for entry in scan(pictures).entries}
    database = extract(_named(truth.database, entries, pictures), extractor, "database")
    queries = extract(_named(truth.queries, entries, pictures), extractor, "queries")
    if not (database.kept.all() and queries.kept.all()):
        raise InvalidArgument("some pictures of the benchmark cannot be read (see above); download them again")
    ranks = exact(queries.rows, database.rows, len(truth.database)).ids.T
    return retrieval_map.protocols(ranks, truth.truths, KAPPAS)


def read_ground_truth(path: Path) -> GroundTruth:
    """Read an official ``gnd_*.pkl`` without running code in it. Raises ``InvalidArgument`` for any other file."""
    try:
        data = _Unpickler(io.BytesIO(path.read_bytes())).load()
        truths = tuple(_truth(query) for query in data["gnd"])
        return GroundTruth(tuple(map(str, data["imlist"])), tuple(map(str, data["qimlist"])), truths)
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError, IndexError, AttributeError) as error:
        raise InvalidArgument(
            f"{path} is not a ground-truth file ({error}); it needs imlist, qimlist, and gnd with easy, hard and "
            "junk, as in gnd_roxford5k.pkl and gnd_rparis6k.pkl"
        ) from error


class _Unpickler(pickle.Unpickler):
    """An unpickler that only accepts arrays, lists, numbers and strings."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed global. Raises ``UnpicklingError`` for any other name."""
        if (module, name) not in ALLOWED_GLOBALS:
            raise pickle.UnpicklingError(f"it uses {module}.{name}, which a ground-truth file may not")
        return super().find_class(module, name)


def _truth(query: Mapping[str, Sequence[int]]) -> Truth:
    easy, hard, junk = (np.asarray(query[name], np.int64).ravel() for name in ("easy", "hard", "junk"))
    return Truth(easy, hard, junk)


def _named(names: Sequence[str], entries: Mapping[str, Entry], pictures: Path) -> list[Entry]:
    stems = [PurePosixPath(name).name.removesuffix(".jpg") for name in names]
    missing = [name for name in stems if name not in entries]
    if missing:
        raise InvalidArgument(
            f"{len(missing)} of {len(stems)} pictures of the ground truth are not in {pictures} "
            f"({', '.join(missing[:3])} …); use the folder that holds them"
        )
    return [entries[name] for name in stems]
