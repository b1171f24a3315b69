"""``evaluate copy``: measure copy detection, the error of the calibration, and baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from copysight.scoring.query_views import DEFAULT_EFFORT, EFFORTS, Effort
from copysight.scoring.verified import DEFAULT_MODE, MODES, Mode
from copysight.system.numbers import Real
from evaluation.arguments import place_of
from evaluation.copies import copydays_folder, isc
from evaluation.copies.measure import SEED, Benchmark, CalibrationResult, Result, measure, whitened
from evaluation.features import backbone
from evaluation.features.extract import Extractor, load_extractor
from evaluation.metrics import reliability
from evaluation.report import Answer, print_answers
from evaluation.sources import reading_sources, scan

EXISTING = click.Path(exists=True, path_type=Path)


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
        chosen: Effort = effort or (DEFAULT_EFFORT if extractor.normalisation is not None else "low")
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
