"""``evaluate strangers``: how often unrelated pictures get a high probability, and light copies are found, by group."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.blobs import THUMBNAIL_SIDE
from copysight.errors import InvalidArgument
from copysight.matching import verification
from copysight.pictures.information import LEAST, information
from copysight.pictures.scan import Entry
from copysight.scoring.calibration import COPY
from copysight.scoring.query_views import DEFAULT_EFFORT, EFFORTS, Effort, best_per_query
from copysight.scoring.verified import DEFAULT_MODE, MODES, Mode
from evaluation.arguments import sources_and_data
from evaluation.copies import calibration
from evaluation.copies.calibration import Fitted
from evaluation.copies.verification import verify_pictures
from evaluation.features.extract import Extractor, load_extractor, map_pictures
from evaluation.metrics.reliability import reliability
from evaluation.report import Answer, print_answers
from evaluation.sources import reading_sources, scan

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
EXISTING = click.Path(exists=True, path_type=Path)
ALL = "all"


@dataclass(frozen=True)
class Group:
    """Figures of one group of pictures: shares of its ``strangers`` and of its light ``copies``, and expected error."""

    strangers: int
    above_half: float
    above_09: float
    copies: int
    found: float
    expected_error: float


@click.command()
@sources_and_data(several=False)
@click.option(
    "--groups", type=EXISTING, help="CSV file with the columns file and source. Default: the folders of DATA."
)
@click.option("--effort", type=click.Choice(EFFORTS), default=DEFAULT_EFFORT, show_default=True, help="Search depth.")
@click.option("--verify", type=click.Choice(MODES), default=DEFAULT_MODE, show_default=True, help="As in a search.")
@click.option("--most", default=2000, show_default=True, type=click.IntRange(8), help="Most pictures that are used.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Seed of the halves and of the edits.",
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def strangers(
    sources: Sequence[str],
    data: Path,
    groups: Path | None,
    effort: Effort,
    verify: Mode,
    most: int,
    seed: int,
    as_json: bool,
) -> None:
    """Count unrelated pictures of DATA by their stated probability.

    Half of each group is indexed. The other half is searched for: every answer with a high probability is wrong, as
    far as DATA holds no picture twice. Lightly edited copies of the indexed half are searched for, too: cropped to
    0.9, half as large, or as JPEG of quality 35 to 80.
    """
    rng = np.random.default_rng(seed)
    entries = list(scan(data).entries)
    entries = [entries[int(place)] for place in np.sort(rng.permutation(len(entries))[:most])]
    extractors = {source: load_extractor(source) for source in sources}
    needed = max(one.at_least for one in extractors.values())
    pictures, readable = map_pictures(entries, needed, _bounded, "strangers")
    names = _groups([entry for entry, kept in zip(entries, readable, strict=True) if kept], groups)
    halves = _halves(names, rng)
    header = ("group", "strangers", "above 0.5", "above 0.9", "light copies", "are `copy`", "expected error")
    answers = []
    for source, extractor in extractors.items():
        found = measure(pictures, names, halves, extractor, effort, verify, np.random.default_rng(seed))
        report = {"source": source, "effort": effort, "verify": verify, "seed": seed}
        report |= {"groups": {name: asdict(one) for name, one in found.items()}}
        rows = [[name, *asdict(one).values()] for name, one in found.items()]
        answers.append(Answer(source, report, header, rows, seed))
    print_answers(answers, as_json)


def measure(
    pictures: Sequence[Image.Image],
    groups: Sequence[str],
    indexed: npt.NDArray[np.bool_],
    extractor: Extractor,
    effort: Effort,
    verify: Mode,
    rng: np.random.Generator,
) -> dict[str, Group]:
    """Figures of each group and of all: search light copies of the ``indexed`` pictures (N,), and the others.

    Raises ``InvalidArgument`` for a source without a background or a calibration.
    """
    if extractor.normalisation is None or not extractor.calibrations:
        raise InvalidArgument(
            f"{extractor.name} has no background and calibration, so it states no probabilities; export the bundle "
            "with --pictures"
        )
    kept, away = np.flatnonzero(indexed), np.flatnonzero(~indexed)
    references = [pictures[int(row)] for row in kept]
    vectors = np.stack([extractor.embed(one) for one in references])
    fitted = calibration.fit(extractor, vectors, extractor.normalisation, references.__getitem__, rng)
    queries = [light(pictures[int(row)], number, rng) for number, row in enumerate(kept)] + [
        pictures[int(row)] for row in away
    ]
    probabilities = probabilities_of(queries, references, vectors, extractor, fitted, effort, verify)
    first = probabilities.argmax(axis=1)
    best = probabilities[np.arange(len(queries)), first]
    right = np.concatenate([first[: len(kept)] == np.arange(len(kept)), np.zeros(len(away), np.bool_)])
    labels = np.array([groups[int(row)] for row in [*kept, *away]])
    is_copy = np.arange(len(queries)) < len(kept)
    chosen: Mapping[str, npt.NDArray[np.bool_]] = {
        **{name: labels == name for name in dict.fromkeys(groups)},
        ALL: np.ones(len(labels), np.bool_),
    }
    return {name: _group(best[mask], right[mask], is_copy[mask]) for name, mask in chosen.items()}


def light(picture: Image.Image, number: int, rng: np.random.Generator) -> Image.Image:
    """A lightly edited copy: by ``number`` cropped to 0.9 of each side, half as large, or JPEG of quality 35 to 80."""
    width, height = picture.size
    if number % 3 == 0:
        left, top = int(rng.integers(0, width // 10 + 1)), int(rng.integers(0, height // 10 + 1))
        return picture.crop((left, top, left + max(8, width * 9 // 10), top + max(8, height * 9 // 10)))
    if number % 3 == 1:
        return picture.resize((max(8, width // 2), max(8, height // 2)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=int(rng.integers(35, 81)))
    return Image.open(out).convert("RGB")


def probabilities_of(
    queries: Sequence[Image.Image],
    references: Sequence[Image.Image],
    vectors: Float,
    extractor: Extractor,
    fitted: Fitted,
    effort: Effort,
    verify: Mode,
) -> Floats:
    """Probabilities (Q, R) of all ``references`` for all ``queries``, as a search with ``verify`` states them.

    ``vectors`` (R, D) are those of the references. Queries that hold next to nothing have no copies.
    """
    views = [extractor.views(query, effort) for query in queries]
    owners = np.repeat(np.arange(len(views)), [len(some) for some in views])
    flat = [view for some in views for view in some]
    embedded = np.stack([extractor.embed(view.pixels) for view in flat])
    similarities = embedded @ vectors.T - np.array([view.penalty for view in flat], np.float32)[:, None]
    scores = best_per_query(fitted.normalisation.scores(similarities, embedded), owners, len(queries))
    if verify == "never":
        return fitted.efforts[effort].probability(scores)
    found = verify_pictures(
        scores,
        lambda number: verification.prepare(queries[number]),
        lambda row: verification.prepare(references[row]),
        fitted.efforts[effort],
        fitted.verified.line,
        verify,
    )
    empty = [information(query) < LEAST for query in queries]
    found[empty] = 0.0
    return found


def _group(best: Floats, right: npt.NDArray[np.bool_], is_copy: npt.NDArray[np.bool_]) -> Group:
    others, copies = best[~is_copy], right[is_copy] & (best[is_copy] >= COPY)
    return Group(
        strangers=len(others),
        above_half=float((others > 0.5).mean()) if len(others) else 0.0,
        above_09=float((others > 0.9).mean()) if len(others) else 0.0,
        copies=len(copies),
        found=float(copies.mean()) if len(copies) else 0.0,
        expected_error=reliability(best, right.tolist()).expected_calibration_error,
    )


def _bounded(picture: Image.Image) -> Image.Image:
    """At most as large as the thumbnails of an index: the pictures of a folder must fit into memory."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return small


def _halves(names: Sequence[str], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Half of each group, at random: (N,)."""
    indexed = np.zeros(len(names), np.bool_)
    for name in dict.fromkeys(names):
        rows = rng.permutation(np.flatnonzero(np.array(names) == name))
        indexed[rows[: len(rows) // 2]] = True
    return indexed


def _groups(entries: Sequence[Entry], table: Path | None) -> list[str]:
    if table is None:
        return [str(PurePosixPath(entry.key).parent) for entry in entries]
    with table.open(newline="") as file:
        rows = {PurePosixPath(row["file"]).name: row["source"] for row in csv.DictReader(file)}
    names = [PurePosixPath(entry.key).name for entry in entries]
    if missing := [name for name in names if name not in rows]:
        raise InvalidArgument(f"{table} has no row for {missing[0]!r}; it needs the columns file and source")
    return [rows[name] for name in names]
