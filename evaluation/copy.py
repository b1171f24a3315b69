"""``evaluate copy``: edited copies among strangers, counted as ISC2021 does (Douze et al. 2021; Pizzi et al. 2022)."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from PIL.Image import Image as Picture

from copysight import rehearsal
from copysight.calibration import Calibration
from copysight.errors import InvalidArgument
from copysight.images import decode
from copysight.looks import EFFORTS, USUAL, Effort, best, looks
from copysight.scan import Entry, scan
from copysight.scoring import normalise
from evaluation import backbone, copydays_folder, metrics, reliability
from evaluation.extract import Extractor, each, extract, extractor
from evaluation.reliability import Reliability
from evaluation.report import show

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
EXISTING = click.Path(exists=True, path_type=Path)
COLUMNS = ("query_id", "reference_id", "level")
PER_QUERY = 10
BACKGROUND = 4000
SAMPLE, LEAST = 300, 100
"""Pictures that a calibration is fitted on, and below which a collection says too little."""


@dataclass(frozen=True)
class Truth:
    """For each query (by id) its reference, '' if it has none, and its level."""

    references: Mapping[str, str]
    levels: Mapping[str, str]


@dataclass(frozen=True)
class Described:
    """Vectors (N, D) of pictures, and their ids: the file names without suffix."""

    ids: tuple[str, ...]
    vectors: Float


@dataclass(frozen=True)
class Asked:
    """Queries by their ids: vectors (L, D) of looks at them, the queries' numbers (L,), the looks' handicaps (L,)."""

    ids: tuple[str, ...]
    vectors: Float
    owners: Ints
    handicaps: Float


@dataclass(frozen=True)
class Figures:
    """Micro average precision, recall at 90 % precision with its threshold, recall at rank 1 by level."""

    micro_ap: float
    recall_at_p90: float
    threshold_at_p90: float
    recall_at_1: dict[str, float]


@click.command()
@click.argument("source")
@click.option("--references", type=EXISTING, help="Folder or tar file of the collection.")
@click.option("--queries", type=EXISTING, help="Folder or tar file of the queries.")
@click.option("--ground-truth", type=EXISTING, help="CSV: query_id, reference_id (or empty), level.")
@click.option("--copydays", "folder", type=EXISTING, help="Instead of these three: a folder in Copydays's layout.")
@click.option("--distractors", type=EXISTING, help="Copydays: pictures beside the originals.")
@click.option("--whitening", type=EXISTING, help="Copydays: pictures, neither of these, that a whitening learns from.")
@click.option("--centred", is_flag=True, help="Copydays: directions of the whitening from the covariance.")
@click.option("--size", type=click.IntRange(32), help="Copydays: [CLS; GeM] at this size by weights; DINO: 320.")
@click.option("--background", type=EXISTING, help="Pictures like none of these. Default: the bundle's background.")
@click.option("--variant", default="fp32", show_default=True, help="Precision of the bundle's embedding.")
@click.option("--effort", type=click.Choice(EFFORTS), help="How hard to look. Default: normal; low without a bundle.")
@click.option("--share", default=0.5, show_default=True, help="Assumed share of queries with a copy (calibration).")
@click.option("--diagram", type=click.Path(path_type=Path), help="Draw the reliability diagram into this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def copy(
    source: str,
    references: Path | None,
    queries: Path | None,
    ground_truth: Path | None,
    folder: Path | None,
    distractors: Path | None,
    whitening: Path | None,
    centred: bool,
    size: int | None,
    background: Path | None,
    variant: str,
    effort: Effort | None,
    share: float,
    diagram: Path | None,
    as_json: bool,
) -> None:
    """Find the reference that each query was made from, among all pairs at once.

    Candidates are the best pairs over all queries, ten a query on average, not ten of each query; of equal scores the
    wrong pair counts first. The calibration is that of an index of the references, fitted on edited copies of its own
    pictures; its error is measured on the queries' top answers.

    With --copydays: mean average precision of each block of edits, each query among the originals and distractors.
    """
    how = extractor(source, variant) if size is None else backbone.load(source).copies(size)
    if folder is not None:
        found = _copydays(folder, how, distractors, whitening, centred)
        rows = [[name, value] for name, value in [*found.blocks.items(), ("all pooled", found.overall)]]
        show({"source": how.name, "variant": variant, **asdict(found)}, ("block", "mAP"), rows, as_json)
        return
    if references is None or queries is None or ground_truth is None:
        raise click.UsageError("name --references, --queries and --ground-truth, or a --copydays folder")
    chosen: Effort = effort or (USUAL if how.background is not None else "low")
    isc(
        source, how, references, queries, read_truth(ground_truth), background, chosen, share, diagram, variant, as_json
    )


def _copydays(
    folder: Path, how: Extractor, distractors: Path | None, whitening: Path | None, centred: bool
) -> copydays_folder.Figures:
    pictures = copydays_folder.load(folder)
    learned = copydays_folder.learn(scan(whitening).entries, how, centred) if whitening is not None else None
    return copydays_folder.measure(pictures, how, scan(distractors).entries if distractors is not None else (), learned)


def isc(
    source: str,
    how: Extractor,
    references: Path,
    queries: Path,
    truth: Truth,
    background: Path | None,
    effort: Effort,
    share: float,
    diagram: Path | None,
    variant: str,
    as_json: bool,
) -> None:
    """Figures in the manner of ISC2021, printed."""
    asked, kept = look(how, queries, effort), describe(how, references, "references")
    _check(truth, asked.ids, kept.ids)
    count, similarities = len(asked.ids), asked.vectors @ kept.vectors.T - asked.handicaps[:, None]
    found = {"raw": measure(best(similarities, asked.owners, count), asked.ids, kept.ids, truth)}
    around = how.background if background is None else describe(how, background, "background", BACKGROUND).vectors
    report: dict[str, Any] = {"source": source, "variant": variant, "effort": effort}
    if around is not None:
        scores = best(normalise(similarities, asked.vectors, around), asked.owners, count)
        found["normalized"] = measure(scores, asked.ids, kept.ids, truth)
        if len(kept.ids) >= LEAST:
            calibration = _calibration(how, references, kept, around, effort, share)
            reliable = _reliability(calibration, scores, asked.ids, kept.ids, truth)
            report["calibration"] = asdict(reliable) | {"fitted": calibration.to_json()}
            if diagram is not None:
                reliability.draw(reliable.bins, diagram)
    report |= {name: asdict(figures) for name, figures in found.items()}
    levels = sorted(next(iter(found.values())).recall_at_1)
    rows = [
        [name, figures.micro_ap, figures.recall_at_p90, *(figures.recall_at_1[level] for level in levels)]
        for name, figures in found.items()
    ]
    show(report, ("scores", "micro-AP", "R@P90", *(f"R@1 {level}" for level in levels)), rows, as_json)
    if "calibration" in report and not as_json:
        error = report["calibration"]["expected_calibration_error"]
        worst = max(abs(one["stated"] - one["share"]) for one in report["calibration"]["bins"])
        click.echo(f"calibration: expected error {error:.3f}, worst of {reliability.BINS} bins {worst:.3f}")


def describe(how: Extractor, pictures: Path, note: str, most: int | None = None) -> Described:
    """Vectors of the pictures of a folder or tar file; of more than ``most``, evenly spaced ones."""
    entries: Sequence[Entry] = scan(pictures).entries
    if most is not None and len(entries) > most:
        entries = [entries[int(place)] for place in np.linspace(0, len(entries) - 1, most)]
    found = extract(entries, how, note)
    names = [PurePosixPath(entry.key).stem for entry, kept in zip(entries, found.kept, strict=True) if kept]
    return Described(tuple(names), found.rows)


def look(how: Extractor, pictures: Path, effort: Effort) -> Asked:
    """The queries of a folder or tar file, looked at with an effort."""

    def seen(picture: Picture) -> tuple[Float, list[float]]:
        found = looks(picture, effort)
        return np.stack([how.of(one.pixels) for one in found]), [one.handicap for one in found]

    entries: Sequence[Entry] = scan(pictures).entries
    rows, kept = each(entries, how.at_least, seen, "queries")
    owners = np.repeat(np.arange(len(rows)), [len(vectors) for vectors, _ in rows])
    names = [PurePosixPath(entry.key).stem for entry, good in zip(entries, kept, strict=True) if good]
    handicaps = np.concatenate([np.asarray(some, np.float32) for _, some in rows])
    return Asked(tuple(names), np.concatenate([vectors for vectors, _ in rows]), owners, handicaps)


def _calibration(
    how: Extractor, references: Path, kept: Described, background: Float, effort: Effort, share: float
) -> Calibration:
    """As the batch job fits it: a sample of the references is edited, and asked for among the references."""
    rng = np.random.default_rng(0)
    entries = {PurePosixPath(entry.key).stem: entry for entry in scan(references).entries}
    rows = np.sort(rng.choice(len(kept.ids), min(SAMPLE, len(kept.ids)), replace=False))
    pictures = [decode(entries[kept.ids[row]].read()).pixels for row in rows]
    embed = lambda copies: np.stack([how.of(one) for one in copies])  # noqa: E731 - an argument, named
    seen = rehearsal.rehearse(pictures, rows, kept.vectors, background, embed, rng, (effort,))
    return seen[effort].calibration(share, curve=how.curves.get(effort))


def _reliability(
    calibration: Calibration, scores: Float, queries: Sequence[str], references: Sequence[str], truth: Truth
) -> Reliability:
    """Of the top answers: stated probability against whether they are the query's reference."""
    best = scores.argmax(axis=1)
    right = [references[int(place)] == truth.references[name] for place, name in zip(best, queries, strict=True)]
    return reliability.reliability(calibration.probability(scores.max(axis=1)), right)


def read_truth(path: Path) -> Truth:
    """Read the ground truth. Raises ``InvalidArgument`` for a file without the columns, or with a query twice."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if missing := set(COLUMNS) - set(reader.fieldnames or ()):
            raise InvalidArgument(f"{path} has no column {', '.join(sorted(missing))}; needed are {', '.join(COLUMNS)}")
        rows = list(reader)
    references = {row["query_id"]: row["reference_id"] for row in rows}
    if len(references) != len(rows):
        raise InvalidArgument(f"{path} names a query twice; each needs one line")
    return Truth(references, {row["query_id"]: row["level"] for row in rows})


def measure(scores: Float, queries: Sequence[str], references: Sequence[str], truth: Truth) -> Figures:
    """Figures of a score matrix (Q, R), larger for likelier."""
    places = {name: place for place, name in enumerate(references)}
    wanted = np.array([places.get(truth.references[name], -1) for name in queries])
    positives = int((wanted >= 0).sum())
    rows, columns = _candidates(scores, min(scores.size, PER_QUERY * len(queries)))
    correct = wanted[rows] == columns
    ranked = metrics.curve(correct, scores[rows, columns].astype(np.float64), positives)
    point = metrics.recall_at_precision(ranked, 0.9)
    return Figures(
        micro_ap=metrics.average_precision(ranked),
        recall_at_p90=point.recall,
        threshold_at_p90=point.threshold,
        recall_at_1=_recall_at_1(scores, wanted, [truth.levels[name] for name in queries]),
    )


def _candidates(scores: Float, count: int) -> tuple[Ints, Ints]:
    """Rows and columns of the ``count`` best pairs over all queries."""
    flat = np.argpartition(-scores, count - 1, axis=None)[:count]
    rows, columns = np.unravel_index(flat, scores.shape)
    return rows.astype(np.int64), columns.astype(np.int64)


def _recall_at_1(scores: Float, wanted: Ints, levels: Sequence[str]) -> dict[str, float]:
    """Share of the queries of each level whose reference scores above every other; a tie counts as missed."""
    found: dict[str, list[bool]] = {}
    for row, place, level in zip(scores, wanted, levels, strict=True):
        if place >= 0:
            others = np.delete(row, place)
            found.setdefault(level, []).append(bool(len(others) == 0 or row[place] > others.max()))
    return {level: float(np.mean(hits)) for level, hits in found.items()}


def _check(truth: Truth, queries: Sequence[str], references: Sequence[str]) -> None:
    if unknown := set(queries) - truth.references.keys():
        raise InvalidArgument(
            f"the ground truth has no line for {len(unknown)} of {len(queries)} queries ({min(unknown)}, say); "
            "give the file that belongs to these pictures"
        )
    named = {truth.references[name] for name in queries} - {""}
    if absent := named - set(references):
        raise InvalidArgument(
            f"{len(absent)} references of the ground truth are not among the pictures ({min(absent)}, say); give all"
        )
