"""``evaluate copy``: edited copies among strangers; figures, the calibration's error, and baselines beside them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from PIL.Image import Image as Picture

from copysight.pictures.decode import decode
from copysight.pictures.scan import Entry, scan
from copysight.scoring import query_views, self_calibration
from copysight.scoring.calibration import Calibration
from copysight.scoring.judge import normalise
from copysight.scoring.query_views import EFFORTS, USUAL, Effort, best
from evaluation.copies import copydays_folder, isc
from evaluation.copies.isc import Figures, Truth
from evaluation.features import backbone
from evaluation.features.extract import Extractor, each, extract, extractor
from evaluation.figures import reliability
from evaluation.figures.reliability import Reliability
from evaluation.report import show

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
EXISTING = click.Path(exists=True, path_type=Path)
BACKGROUND = 4000


@dataclass(frozen=True)
class Bench:
    """Folders or tar files of a collection and of queries, and what is known of them.

    ``background``: pictures like none of these, in place of those of a bundle. ``share``: the assumed share of queries
    with a copy.
    """

    references: Path
    queries: Path
    truth: Truth
    background: Path | None
    share: float


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
    penalties: Float


@dataclass(frozen=True)
class Stated:
    """A calibration ``fitted`` on the references' own pictures, and how ``reliable`` it is on the queries."""

    fitted: Calibration
    reliable: Reliability


@dataclass(frozen=True)
class Result:
    """Figures without and, where there is a background, with score normalisation; then also a calibration."""

    raw: Figures
    normalized: Figures | None = None
    stated: Stated | None = None

    def to_json(self) -> dict[str, Any]:
        """``raw``, ``normalized``, ``calibration``; what is not there is left out."""
        found: dict[str, Any] = {"raw": asdict(self.raw)}
        if self.normalized is not None:
            found["normalized"] = asdict(self.normalized)
        if self.stated is not None:
            found["calibration"] = asdict(self.stated.reliable) | {"fitted": self.stated.fitted.to_json()}
        return found


@click.command()
@click.argument("source")
@click.option("--references", type=EXISTING, help="Folder or tar file of the collection.")
@click.option("--queries", type=EXISTING, help="Folder or tar file of the queries.")
@click.option("--ground-truth", type=EXISTING, help="CSV: query_id, reference_id (or empty), level.")
@click.option("--copydays", "folder", type=EXISTING, help="Instead of these three: a folder in Copydays's layout.")
@click.option("--distractors", type=EXISTING, help="Copydays: pictures beside the originals.")
@click.option("--whitening", type=EXISTING, help="Pictures, none of these, that a whitening learns from.")
@click.option("--centred", is_flag=True, help="Directions of the whitening from the covariance.")
@click.option("--dimensions", type=click.IntRange(1), help="Main directions of the whitening to keep. Default: all.")
@click.option("--size", type=click.IntRange(32), help="Copydays: [CLS; GeM] at this size by weights; DINO: 320.")
@click.option("--background", type=EXISTING, help="Pictures like none of these. Default: the bundle's background.")
@click.option("--variant", default="fp32", show_default=True, help="Precision of the bundle's embedding.")
@click.option("--effort", type=click.Choice(EFFORTS), help="How hard to look. Default: normal; low without a bundle.")
@click.option(
    "--share",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Assumed share of queries with a copy (calibration).",
)
@click.option("--beside", multiple=True, help="Another source for the same table: pdq, say. May be repeated.")
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
    dimensions: int | None,
    size: int | None,
    background: Path | None,
    variant: str,
    effort: Effort | None,
    share: float,
    beside: tuple[str, ...],
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
    bench = Bench(references, queries, isc.read_truth(ground_truth), background, share)
    chosen: Effort = effort or (USUAL if how.background is not None else "low")
    if whitening is not None:
        how = whitened(how, whitening, centred, dimensions)
    result = measure(bench, how, chosen)
    others = {name: measure(bench, extractor(name), "low") for name in beside}
    if diagram is not None and result.stated is not None:
        reliability.draw(result.stated.reliable.bins, diagram)
    report = {"source": source, "variant": variant, "effort": chosen, **result.to_json()}
    report |= {"beside": {name: other.to_json() for name, other in others.items()}} if others else {}
    levels = sorted(result.raw.recall_at_1)
    header = ("source", "scores", "micro-AP", "R@P90", *(f"R@1 {level}" for level in levels))
    rows = [row for name, one in {source: result, **others}.items() for row in _rows(name, one, levels)]
    show(report, header, rows, as_json)
    if result.stated is not None and not as_json:
        reliable = result.stated.reliable
        click.echo(
            f"calibration: expected error {reliable.expected_calibration_error:.3f}, "
            f"worst of {len(reliable.bins)} bins {reliable.worst:.3f}"
        )


def measure(bench: Bench, how: Extractor, effort: Effort) -> Result:
    """Ask for every query among the references. Raises ``InvalidArgument`` where the truth does not fit them."""
    asked, kept = describe_queries(how, bench.queries, effort), describe(how, bench.references, "references")
    bench.truth.check(asked.ids, kept.ids)
    similarities = asked.vectors @ kept.vectors.T - asked.penalties[:, None]
    raw = isc.measure(best(similarities, asked.owners, len(asked.ids)), asked.ids, kept.ids, bench.truth)
    around = how.background
    if bench.background is not None:
        around = describe(how, bench.background, "background", BACKGROUND).vectors
    if around is None:
        return Result(raw)
    scores = best(normalise(similarities, asked.vectors, around), asked.owners, len(asked.ids))
    normalized = isc.measure(scores, asked.ids, kept.ids, bench.truth)
    if (
        len(kept.ids) < self_calibration.LEAST or how.views is not query_views.views_of
    ):  # a rehearsal looks as searches do
        return Result(raw, normalized)
    fitted = _calibration(how, bench.references, kept, around, effort, bench.share)
    return Result(raw, normalized, Stated(fitted, _reliability(fitted, scores, asked.ids, kept.ids, bench.truth)))


def whitened(how: Extractor, pictures: Path, centred: bool, dimensions: int | None) -> Extractor:
    """The same source, followed by a whitening that is learned from pictures, to its first ``dimensions``."""
    learned = copydays_folder.learn(scan(pictures).entries, how, centred).first(dimensions)
    around = None if how.background is None else learned.apply(how.background)
    of = lambda picture: learned.apply(how.of(picture)[None])[0]  # noqa: E731 - an argument, named
    return replace(how, name=f"{how.name}, whitened", of=of, background=around, curves={})


def describe(how: Extractor, pictures: Path, note: str, most: int | None = None) -> Described:
    """Vectors of the pictures of a folder or tar file; of more than ``most``, evenly spaced ones."""
    entries: Sequence[Entry] = scan(pictures).entries
    if most is not None and len(entries) > most:
        entries = [entries[int(place)] for place in np.linspace(0, len(entries) - 1, most)]
    found = extract(entries, how, note)
    names = [PurePosixPath(entry.key).stem for entry, kept in zip(entries, found.kept, strict=True) if kept]
    return Described(tuple(names), found.rows)


def describe_queries(how: Extractor, pictures: Path, effort: Effort) -> Asked:
    """The queries of a folder or tar file, looked at with an effort."""

    def seen(picture: Picture) -> tuple[Float, list[float]]:
        found = how.views(picture, effort)
        return np.stack([how.of(one.pixels) for one in found]), [one.penalty for one in found]

    entries: Sequence[Entry] = scan(pictures).entries
    rows, kept = each(entries, how.at_least, seen, "queries")
    owners = np.repeat(np.arange(len(rows)), [len(vectors) for vectors, _ in rows])
    names = [PurePosixPath(entry.key).stem for entry, good in zip(entries, kept, strict=True) if good]
    penalties = np.concatenate([np.asarray(some, np.float32) for _, some in rows])
    return Asked(tuple(names), np.concatenate([vectors for vectors, _ in rows]), owners, penalties)


def _copydays(
    folder: Path, how: Extractor, distractors: Path | None, whitening: Path | None, centred: bool
) -> copydays_folder.Figures:
    pictures = copydays_folder.load(folder)
    learned = copydays_folder.learn(scan(whitening).entries, how, centred) if whitening is not None else None
    return copydays_folder.measure(pictures, how, scan(distractors).entries if distractors is not None else (), learned)


def _rows(name: str, result: Result, levels: Sequence[str]) -> list[list[object]]:
    """Lines of the table: one of raw, one of normalised scores."""
    both = {"raw": result.raw, "normalized": result.normalized}
    return [
        [name, scores, one.micro_ap, one.recall_at_p90, *(one.recall_at_1[level] for level in levels)]
        for scores, one in both.items()
        if one is not None
    ]


def _calibration(
    how: Extractor, references: Path, kept: Described, background: Float, effort: Effort, share: float
) -> Calibration:
    """As the batch job fits it: a sample of the references is edited, and asked for among the references."""
    rng = np.random.default_rng(0)
    entries = {PurePosixPath(entry.key).stem: entry for entry in scan(references).entries}
    rows = np.sort(rng.choice(len(kept.ids), min(self_calibration.SAMPLE, len(kept.ids)), replace=False))
    pictures = [decode(entries[kept.ids[row]].read()).pixels for row in rows]
    embed = lambda copies: np.stack([how.of(one) for one in copies])  # noqa: E731 - an argument, named
    seen = self_calibration.rehearse(pictures, rows, kept.vectors, background, embed, rng, self_calibration.THOROUGH)
    return self_calibration.calibrations(seen, how.curves, share)[effort]


def _reliability(
    calibration: Calibration, scores: Float, queries: Sequence[str], references: Sequence[str], truth: Truth
) -> Reliability:
    """Of the top answers: stated probability against whether they are the query's reference."""
    first = scores.argmax(axis=1)
    right = [references[int(place)] == truth.references[name] for place, name in zip(first, queries, strict=True)]
    return reliability.reliability(calibration.probability(scores.max(axis=1)), right)
