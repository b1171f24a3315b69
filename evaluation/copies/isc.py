"""Ground truth and metrics of copy detection, as in ISC2021 (Douze et al. 2021; Pizzi et al. 2022)."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from evaluation.metrics import ranking

Float = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
COLUMNS = ("query_id", "reference_id", "level")
PER_QUERY = 10


@dataclass(frozen=True)
class Truth:
    """The reference ('' if none), the level and, if known, the ``kinds`` of the picture of each query, by query id."""

    references: Mapping[str, str]
    levels: Mapping[str, str]
    kinds: Mapping[str, str] = field(default_factory=dict)

    def check(self, queries: Sequence[str], references: Sequence[str]) -> None:
        """Raise ``InvalidArgument`` unless every query has a row and every reference in these rows is present."""
        if unknown := set(queries) - self.references.keys():
            raise InvalidArgument(
                f"the ground truth has no row for {len(unknown)} of {len(queries)} queries ({min(unknown)}, for "
                "example); use the file that belongs to these pictures"
            )
        named = {self.references[name] for name in queries} - {""}
        if absent := named - set(references):
            raise InvalidArgument(
                f"{len(absent)} references of the ground truth are not among the pictures ({min(absent)}, for "
                "example); add them to --references"
            )


@dataclass(frozen=True)
class Metrics:
    """Micro average precision, recall at 90 % precision with its threshold, recall at rank 1 by level."""

    micro_ap: float
    recall_at_p90: float
    threshold_at_p90: float
    recall_at_1: dict[str, float]


def read_ground_truth(path: Path) -> Truth:
    """Read the ground truth from a CSV file. A column ``kind`` may say what a query is, for example a screen.

    Raises ``InvalidArgument`` if a column is missing or a query occurs twice.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if missing := set(COLUMNS) - set(reader.fieldnames or ()):
            raise InvalidArgument(f"{path} has no column {', '.join(sorted(missing))}; it needs {', '.join(COLUMNS)}")
        rows = list(reader)
    references = {row["query_id"]: row["reference_id"] for row in rows}
    if len(references) != len(rows):
        raise InvalidArgument(f"{path} has two rows for one query; each query needs exactly one row")
    kinds = {row["query_id"]: row["kind"] for row in rows if row.get("kind")}
    return Truth(references, {row["query_id"]: row["level"] for row in rows}, kinds)


def measure(scores: Float, queries: Sequence[str], references: Sequence[str], truth: Truth) -> Metrics:
    """Compute the metrics of a score matrix (Q, R); a larger score means more likely a copy.

    Candidates are the best pairs over all queries: ten per query on average, not ten of each query.
    """
    places = {name: place for place, name in enumerate(references)}
    wanted = np.array([places.get(truth.references[name], -1) for name in queries])
    positives = int((wanted >= 0).sum())
    rows, columns = _candidates(scores, min(scores.size, PER_QUERY * len(queries)))
    correct = wanted[rows] == columns
    ranked = ranking.curve(correct, scores[rows, columns].astype(np.float64), positives)
    point = ranking.recall_at_precision(ranked, 0.9)
    return Metrics(
        micro_ap=ranking.average_precision(ranked),
        recall_at_p90=point.recall,
        threshold_at_p90=point.threshold,
        recall_at_1=_recall_at_1(scores, wanted, [truth.levels[name] for name in queries]),
    )


def _candidates(scores: Float, count: int) -> tuple[Ints, Ints]:
    """Return the rows and columns of the ``count`` best pairs over all queries."""
    flat = np.argpartition(-scores, count - 1, axis=None)[:count]
    rows, columns = np.unravel_index(flat, scores.shape)
    return rows.astype(np.int64), columns.astype(np.int64)


def _recall_at_1(scores: Float, wanted: Ints, levels: Sequence[str]) -> dict[str, float]:
    """Return the share of queries of each level whose reference scores above all others. A tie is a miss."""
    found: dict[str, list[bool]] = {}
    for row, place, level in zip(scores, wanted, levels, strict=True):
        if place >= 0:
            others = np.delete(row, place)
            found.setdefault(level, []).append(bool(len(others) == 0 or row[place] > others.max()))
    return {level: float(np.mean(hits)) for level, hits in found.items()}
