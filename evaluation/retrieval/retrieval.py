"""``evaluate retrieval``: mean average precision of revisited Oxford and Paris, or of any labelled folder."""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np

from copysight.errors import InvalidArgument
from copysight.pictures.scan import Entry, scan
from copysight.vectors.knn import exact
from evaluation.features import backbone
from evaluation.features.extract import Extractor, extract, extractor
from evaluation.features.tokens import SCALES
from evaluation.figures import retrieval_map
from evaluation.figures.retrieval_map import Scores, Truth
from evaluation.labels import labelled
from evaluation.labels.labelled import Labelled
from evaluation.report import show

KAPPAS = (1, 5, 10)
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""All that a ground-truth file may hold besides plain lists, numbers and texts."""


@dataclass(frozen=True)
class GroundTruth:
    """Names (without suffix) of database and query pictures, and what is right for each query."""

    database: tuple[str, ...]
    queries: tuple[str, ...]
    truths: tuple[Truth, ...]


@click.command()
@click.argument("source")
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--truth", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="gnd_roxford5k.pkl, say.")
@click.option("--size", type=click.IntRange(32), help="[CLS] at this longest side, by the bundle's weights.")
@click.option("--multiscale", is_flag=True, help="With --size: the mean over scales 1, .71 and .5.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def retrieval(source: str, data: Path, truth: Path | None, size: int | None, multiscale: bool, as_json: bool) -> None:
    """Rank the pictures of DATA for each query.

    With --truth DATA is the folder of revisited Oxford's or Paris's pictures, and the protocols are easy, medium and
    hard. Without, it is a folder or tar file of <split>/<class>/<picture>: val asks, train answers, a picture of the
    same class is right. Whole pictures are compared: the query's box is not cut out, as in DINO's evaluation.
    """
    if multiscale and size is None:
        raise click.UsageError("--multiscale works on a network that takes any size: name --size (DINO: 512 for Paris)")
    scales = SCALES if multiscale else (1.0,)
    how = extractor(source) if size is None else backbone.load(source).retrieval(size, scales)
    scores = official(read_truth(truth), data, how) if truth else by_class(labelled.load(data), how)
    results = {
        name: {"map": found.map, **{f"mp{k}": mean for k, mean in zip(KAPPAS, found.mean_precision, strict=True)}}
        for name, found in scores.items()
    }
    rows = [[name, *(float(value) for value in result.values())] for name, result in results.items()]
    header = ("protocol", "mAP", *(f"mP@{k}" for k in KAPPAS))
    show({"source": how.name, "results": results}, header, rows, as_json)


def by_class(found: Labelled, how: Extractor) -> dict[str, Scores]:
    """Scores when a picture of the query's class is right."""
    train = extract(found.train.entries, how, f"{found.name} train")
    val = extract(found.val.entries, how, f"{found.name} val")
    labels = found.train.labels[train.kept]
    wanted = [np.flatnonzero(labels == label) for label in found.val.labels[val.kept]]
    ranks = exact(val.rows, train.rows, len(labels)).ids.T
    return {"class": retrieval_map.score(ranks, wanted, [np.empty(0, np.int64)] * len(wanted), KAPPAS)}


def official(truth: GroundTruth, pictures: Path, how: Extractor) -> dict[str, Scores]:
    """Scores of the protocols E, M and H. Raises ``InvalidArgument`` if pictures are missing or cannot be read."""
    entries = {PurePosixPath(entry.key).stem: entry for entry in scan(pictures).entries}
    database = extract(_named(truth.database, entries, pictures), how, "database")
    queries = extract(_named(truth.queries, entries, pictures), how, "queries")
    if not (database.kept.all() and queries.kept.all()):
        raise InvalidArgument("some pictures of the benchmark cannot be read (see above); get them again")
    ranks = exact(queries.rows, database.rows, len(truth.database)).ids.T
    return retrieval_map.protocols(ranks, truth.truths, KAPPAS)


def read_truth(path: Path) -> GroundTruth:
    """Read an official ``gnd_*.pkl``; nothing in it can run. Raises ``InvalidArgument`` if it is no such file."""
    try:
        data = _Unpickler(io.BytesIO(path.read_bytes())).load()
        truths = tuple(_truth(query) for query in data["gnd"])
        return GroundTruth(tuple(map(str, data["imlist"])), tuple(map(str, data["qimlist"])), truths)
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError, IndexError, AttributeError) as error:
        raise InvalidArgument(
            f"{path} is no ground truth ({error}); it wants imlist, qimlist and gnd with easy, hard and junk, as "
            "gnd_roxford5k.pkl and gnd_rparis6k.pkl have them"
        ) from error


class _Unpickler(pickle.Unpickler):
    """Reads arrays, lists, numbers and texts only."""

    def find_class(self, module: str, name: str) -> Any:
        """The few names that arrays need."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which a ground truth has no need of")
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
            f"({', '.join(missing[:3])} …); give the folder that holds them"
        )
    return [entries[name] for name in stems]
