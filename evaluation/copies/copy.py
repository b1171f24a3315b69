"""``evaluate copy``: measure copy detection, the error of the calibration, and baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from PIL.Image import Image as Picture

from copysight.pictures.scan import Entry
from copysight.scoring import calibrate, query_views
from copysight.scoring.calibration import UNVERIFIED, Calibration
from copysight.scoring.judge import normalise
from copysight.scoring.query_views import DEFAULT_EFFORT, EFFORTS, Effort, best_per_query
from copysight.scoring.verified import DEFAULT_MODE, MODES, Mode
from copysight.system.numbers import Real
from evaluation.arguments import place_of
from evaluation.copies import calibration, copydays_folder, isc, verification
from evaluation.copies.isc import Metrics, Truth
from evaluation.features import backbone
from evaluation.features.extract import Extractor, extract, load_extractor, map_pictures
from evaluation.metrics import reliability
from evaluation.metrics.reliability import Reliability
from evaluation.report import Answer, print_answers
from evaluation.sources import read, reading_sources, scan

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
EXISTING = click.Path(exists=True, path_type=Path)
MAX_BACKGROUND = 4000
SEED = 0
"""Seed of the sample and the edits that a calibration is fitted on."""


@dataclass(frozen=True)
class Benchmark:
    """A copy detection benchmark: folders or tar files of references and queries, and their ground truth.

    ``background``: pictures unlike all of these, used instead of the background of a bundle. ``share``: the assumed
    share of queries that have a copy.
    """

    references: Path
    queries: Path
    truth: Truth
    background: Path | None
    share: float


@dataclass(frozen=True)
class Embeddings:
    """Embeddings (N, D) of pictures, and their ids: the file names without suffix."""

    ids: tuple[str, ...]
    vectors: Float


@dataclass(frozen=True)
class EmbeddedQueries:
    """Embeddings (L, D) of the views of all queries; ``owners`` (L,): the query of a view; ``penalties`` (L,)."""

    ids: tuple[str, ...]
    vectors: Float
    owners: Ints
    penalties: Float


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration fitted on edited copies of the references, and its reliability on the queries, also by kind."""

    calibration: Calibration
    reliability: Reliability
    kinds: Mapping[str, Reliability]


@dataclass(frozen=True)
class Result:
    """Metrics of the raw scores and, if there is a background, of the normalised scores and of the calibration.

    ``verified``: of the probabilities after verification. ``calibrated`` is then about these.
    """

    raw: Metrics
    normalized: Metrics | None = None
    verified: Metrics | None = None
    calibrated: CalibrationResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the keys ``raw``, ``normalized``, ``verified`` and ``calibration``, without those that are absent."""
        found: dict[str, Any] = {"raw": asdict(self.raw)}
        if self.normalized is not None:
            found["normalized"] = asdict(self.normalized)
        if self.verified is not None:
            found["verified"] = asdict(self.verified)
        if self.calibrated is not None:
            fitted = self.calibrated.calibration.to_json()
            found["calibration"] = asdict(self.calibrated.reliability) | {"fitted": fitted}
            found["calibration"]["kinds"] = {name: asdict(one) for name, one in self.calibrated.kinds.items()}
        return found


@click.command()
@click.argument("source", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--references", type=EXISTING, help="Folder or tar file of the reference pictures.")
@click.option("--queries", type=EXISTING, help="Folder or tar file of the query pictures.")
@click.option(
    "--ground-truth",
    type=EXISTING,
    help="CSV file with the columns query_id, reference_id (empty if there is no copy) and level, and perhaps kind.",
)
@click.option(
    "--copydays",
    "folder",
    type=EXISTING,
    help="Folder or tar file in the Copydays layout. It replaces the three options above.",
)
@click.option("--distractors", type=EXISTING, help="With --copydays: pictures to add to the originals.")
@click.option(
    "--whitening", type=EXISTING, help="Pictures to learn a whitening from. They must not be part of the benchmark."
)
@click.option("--centred", is_flag=True, help="Learn the whitening from the covariance, as usual PCA does.")
@click.option(
    "--dimensions",
    type=click.IntRange(1),
    help="Number of dimensions to keep after the whitening. All are kept by default.",
)
@click.option(
    "--size",
    type=click.IntRange(32),
    help="With --copydays: use [CLS; GeM] features at this input size, from the weights of the bundle. DINO uses 320.",
)
@click.option(
    "--background",
    type=EXISTING,
    help="Pictures unlike the benchmark, for score normalisation. By default the background of the bundle is used.",
)
@click.option("--variant", default="fp32", show_default=True, help="Precision of the embedding of the bundle.")
@click.option(
    "--effort",
    type=click.Choice(EFFORTS),
    help="Search depth: how many views of each query to search with. The default is normal for a bundle with a "
    "background, otherwise low.",
)
@click.option(
    "--verify",
    type=click.Choice(MODES),
    default=DEFAULT_MODE,
    show_default=True,
    help="Verify candidates by local features: `auto` where the score leaves it open, `always`, or `never`.",
)
@click.option(
    "--share",
    default=0.5,
    show_default=True,
    type=Real(0, 1, min_open=True, max_open=True),
    help="Assumed share of queries that have a copy. The calibration uses it.",
)
@click.option("--beside", multiple=True, help="Another source to compare with, for example pdq. May be repeated.")
@click.option(
    "--diagram",
    type=click.Path(path_type=Path),
    help="File to draw the reliability diagram to; with kinds, one more for each of them.",
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def copy(
    source: tuple[str, ...],
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
    verify: Mode,
    share: float,
    beside: tuple[str, ...],
    diagram: Path | None,
    as_json: bool,
) -> None:
    """Measure how well SOURCE finds the reference that each query was made from.

    All pairs of queries and references are ranked together. Candidates are the best pairs over all queries, ten per
    query on average. Of pairs with equal scores the wrong pair comes first. The calibration is the one that an index
    of the references would have, fitted on edited copies of the references. Its error is measured on the best match
    of each query.

    With --copydays: mean average precision of each block of edits, searched in originals and distractors.
    """

    def load(name: str) -> Extractor:
        return load_extractor(name, variant) if size is None else backbone.load(name).copies(size)

    if folder is not None:
        print_answers(
            [_copydays(name, folder, load(name), variant, distractors, whitening, centred) for name in source], as_json
        )
        return
    if references is None or queries is None or ground_truth is None:
        raise click.UsageError("give --references, --queries and --ground-truth, or give --copydays")
    benchmark = Benchmark(references, queries, isc.read_ground_truth(ground_truth), background, share)
    answers = []
    for name in source:
        extractor = load(name)
        chosen: Effort = effort or (DEFAULT_EFFORT if extractor.background is not None else "low")
        if whitening is not None:
            extractor = whitened(extractor, whitening, centred, dimensions)
        result = measure(benchmark, extractor, chosen, verify)
        answers.append(_answer(name, result, {"variant": variant, "effort": chosen, "verify": verify}))
        if diagram is not None and result.calibrated is not None:
            drawn = diagram if len(source) == 1 else place_of(diagram.with_suffix(""), name, source)
            drawn.parent.mkdir(parents=True, exist_ok=True)
            reliability.draw(result.calibrated.reliability.bins, drawn.with_suffix(diagram.suffix))
            for kind, errors in result.calibrated.kinds.items():
                reliability.draw(errors.bins, drawn.with_name(f"{drawn.stem}-{kind}{diagram.suffix}"))
    print_answers(_with_beside(answers, beside, benchmark), as_json)


def _with_beside(answers: list[Answer], names: Sequence[str], benchmark: Benchmark) -> list[Answer]:
    """The answers and those on other sources, without verification; beside one source they are part of its report."""
    others = {name: measure(benchmark, load_extractor(name), "low", "never") for name in names}
    found = [_answer(name, other, {"effort": "low", "verify": "never"}) for name, other in others.items()]
    if len(answers) > 1 or not found:
        return [*answers, *found]
    report = {**answers[0].report, "beside": {name: other.to_json() for name, other in others.items()}}
    return [replace(answers[0], report=report, rows=[row for one in (*answers, *found) for row in one.rows])]


def _answer(name: str, result: Result, settings: Mapping[str, Any]) -> Answer:
    levels = sorted(result.raw.recall_at_1)
    header = ("source", "scores", "micro-AP", "R@P90", *(f"R@1 {level}" for level in levels))
    notes = [] if result.calibrated is None else _calibration_lines(result.calibrated)
    report = {"source": name, **settings, **result.to_json()}
    return Answer(name, report, header, _rows(name, result, levels), SEED, notes)


def _calibration_lines(found: CalibrationResult) -> list[str]:
    kinds = {f"{kind} ({sum(one.count for one in errors.bins)})": errors for kind, errors in found.kinds.items()}
    return [
        f"{name}: expected error {errors.expected_calibration_error:.3f}, worst of {len(errors.bins)} bins "
        f"{errors.worst:.3f}"
        for name, errors in {"calibration": found.reliability, **kinds}.items()
    ]


def measure(benchmark: Benchmark, extractor: Extractor, effort: Effort, verify: Mode = "never") -> Result:
    """Search every query in the references. Raises ``InvalidArgument`` if the ground truth does not fit them."""
    queries = embed_queries(extractor, benchmark.queries, effort)
    database = embed_pictures(extractor, benchmark.references, "references")
    benchmark.truth.check(queries.ids, database.ids)
    similarities = queries.vectors @ database.vectors.T - queries.penalties[:, None]
    best = best_per_query(similarities, queries.owners, len(queries.ids))
    raw = isc.measure(best, queries.ids, database.ids, benchmark.truth)
    background_vectors = extractor.background
    if benchmark.background is not None:
        background_vectors = embed_pictures(extractor, benchmark.background, "background", MAX_BACKGROUND).vectors
    if background_vectors is None:
        return Result(raw)
    normalised = normalise(similarities, queries.vectors, background_vectors)
    scores = best_per_query(normalised, queries.owners, len(queries.ids))
    normalized = isc.measure(scores, queries.ids, database.ids, benchmark.truth)
    # Self-calibration uses the query views of the service, so other views cannot be calibrated.
    if len(database.ids) < calibrate.MIN_PICTURES or extractor.views is not query_views.views_of:
        return Result(raw, normalized)
    kept = _entries(benchmark.references, database.ids)
    rng, picture = np.random.default_rng(SEED), lambda row: read(kept[row])
    found = calibration.fit(extractor, database.vectors, background_vectors, picture, rng, benchmark.share)
    fitted = found.efforts[effort]
    probabilities, verified = fitted.probability(scores), None
    if verify != "never":
        asked = _entries(benchmark.queries, queries.ids)
        line = found.verified.line
        probabilities = verification.verify(scores, asked, kept, fitted, line, verify, extractor.at_least)
        verified = isc.measure(probabilities, queries.ids, database.ids, benchmark.truth)
    errors = _reliability(probabilities, queries.ids, database.ids, benchmark.truth)
    kinds = _by_kind(probabilities, queries.ids, database.ids, benchmark.truth)
    return Result(raw, normalized, verified, CalibrationResult(fitted, errors, kinds))


def whitened(extractor: Extractor, pictures: Path, centred: bool, dimensions: int | None) -> Extractor:
    """Return the extractor followed by a whitening learned from ``pictures``, cut to its first ``dimensions``."""
    fitted_whitening = copydays_folder.learn_whitening(scan(pictures).entries, extractor, centred).first(dimensions)
    background_vectors = None if extractor.background is None else fitted_whitening.apply(extractor.background)
    embed = lambda picture: fitted_whitening.apply(extractor.embed(picture)[None])[0]  # noqa: E731 - a named argument
    return replace(
        extractor,
        name=f"{extractor.name}, whitened",
        embed=embed,
        background=background_vectors,
        calibrations={},
        verified=UNVERIFIED,
    )


def embed_pictures(extractor: Extractor, pictures: Path, note: str, most: int | None = None) -> Embeddings:
    """Embed the pictures of a folder or tar file; if there are more than ``most``, evenly spaced ones."""
    entries: Sequence[Entry] = scan(pictures).entries
    if most is not None and len(entries) > most:
        entries = [entries[int(place)] for place in np.linspace(0, len(entries) - 1, most)]
    found = extract(entries, extractor, note)
    names = [PurePosixPath(entry.key).stem for entry, kept in zip(entries, found.kept, strict=True) if kept]
    return Embeddings(tuple(names), found.rows)


def embed_queries(extractor: Extractor, pictures: Path, effort: Effort) -> EmbeddedQueries:
    """Embed the views of the queries of a folder or tar file."""

    def embed_views(picture: Picture) -> tuple[Float, list[float]]:
        found = extractor.views(picture, effort)
        return np.stack([extractor.embed(one.pixels) for one in found]), [one.penalty for one in found]

    entries: Sequence[Entry] = scan(pictures).entries
    rows, kept = map_pictures(entries, extractor.at_least, embed_views, "queries")
    owners = np.repeat(np.arange(len(rows)), [len(vectors) for vectors, _ in rows])
    names = [PurePosixPath(entry.key).stem for entry, good in zip(entries, kept, strict=True) if good]
    penalties = np.concatenate([np.asarray(some, np.float32) for _, some in rows])
    return EmbeddedQueries(tuple(names), np.concatenate([vectors for vectors, _ in rows]), owners, penalties)


def _entries(pictures: Path, ids: Sequence[str]) -> list[Entry]:
    """The entries of a folder or tar file with these ids, in their order."""
    found = {PurePosixPath(entry.key).stem: entry for entry in scan(pictures).entries}
    return [found[name] for name in ids]


def _copydays(
    name: str,
    folder: Path,
    extractor: Extractor,
    variant: str,
    distractors: Path | None,
    whitening: Path | None,
    centred: bool,
) -> Answer:
    pictures = copydays_folder.load(folder)
    fitted_whitening = (
        copydays_folder.learn_whitening(scan(whitening).entries, extractor, centred) if whitening is not None else None
    )
    found = copydays_folder.measure(
        pictures, extractor, scan(distractors).entries if distractors is not None else (), fitted_whitening
    )
    rows = [[block, value] for block, value in [*found.blocks.items(), ("all pooled", found.overall)]]
    report = {"source": extractor.name, "variant": variant, **asdict(found)}
    return Answer(name, report, ("block", "mAP"), rows)


def _rows(name: str, result: Result, levels: Sequence[str]) -> list[list[object]]:
    """Return a table row of the raw scores and, if present, of normalised scores and of verified probabilities."""
    kinds = {"raw": result.raw, "normalized": result.normalized, "verified": result.verified}
    return [
        [name, scores, one.micro_ap, one.recall_at_p90, *(one.recall_at_1[level] for level in levels)]
        for scores, one in kinds.items()
        if one is not None
    ]


def _by_kind(
    probabilities: Floats, queries: Sequence[str], references: Sequence[str], truth: Truth
) -> dict[str, Reliability]:
    found = {}
    for kind in sorted(set(truth.kinds.values())):
        rows = [row for row, name in enumerate(queries) if truth.kinds.get(name) == kind]
        if rows:
            found[kind] = _reliability(probabilities[rows], [queries[row] for row in rows], references, truth)
    return found


def _reliability(probabilities: Floats, queries: Sequence[str], references: Sequence[str], truth: Truth) -> Reliability:
    """Compare the predicted probability of the best match of each query with whether that match is correct."""
    first = probabilities.argmax(axis=1)
    right = [references[int(place)] == truth.references[name] for place, name in zip(first, queries, strict=True)]
    return reliability.reliability(probabilities.max(axis=1), right)
