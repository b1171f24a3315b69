"""Measure copy detection of bundles on the benchmark of the project, with hashes, colours and networks as baselines.

COPYSIGHT_DATA is the folder with `copybench/` (references.tar, queries.tar, ground_truth.csv) and `photos/`. The
photos are the background of sources without one, and the training set of the whitening of the colours.

    COPYSIGHT_DATA=folder python -m benchmarks.copybench [BUNDLE ...]          default bundle, more bundles, baselines
    COPYSIGHT_DATA=folder python -m benchmarks.copybench --only [BUNDLE ...]   without baselines
    COPYSIGHT_DATA=folder python -m benchmarks.copybench --only --screenshots  pictures in screenshots as a level
    COPYSIGHT_DATA=folder python -m benchmarks.copybench --baselines           only the baselines
    python -m benchmarks.copybench --anchors SOURCE ... --on FOLDER ... --background PICTURES      see copybench_anchors

Each row has micro-AP / R@P90 with raw scores and with score normalisation, and recall@1 by level. Then follows the
calibration error of an index of the references (expected error, worst of 15 bins). The calibration gets the true share
of queries with a copy.
"""

import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from benchmarks import copybench_anchors
from copysight.scoring.query_views import EFFORTS
from evaluation.copies.copy import copy
from training.export import exportable
from training.export.export import export

CONFIGURATIONS: dict[str, tuple[str, ...]] = {
    f"int8 {effort}": ("--variant", "int8", "--effort", effort) for effort in EFFORTS
}
CONFIGURATIONS["fp32 low"] = ("--effort", "low")
"""Name -> options for each bundle: int8 with each effort, and float32 with one query view."""
DIMENSIONS = "64"
"""Dimensions of the whitened colour histogram, as in our pilot study."""


def main() -> None:
    """Print the table, each row as soon as it is measured."""
    if "--anchors" in sys.argv:
        copybench_anchors.main([word for word in sys.argv[1:] if word != "--anchors"])
        return
    data = Path(os.environ.get("COPYSIGHT_DATA", ""))
    benchmark, photos = data / "copybench", str(data / "photos")
    if not benchmark.is_dir():
        sys.exit(f"set COPYSIGHT_DATA to the folder that holds copybench/ ({data} has none)")
    bundles = [word for word in sys.argv[1:] if not word.startswith("--")]
    with tempfile.TemporaryDirectory() as scratch:
        truth = benchmark / "ground_truth.csv"
        share = share_with_copy(truth)
        if "--screenshots" in sys.argv:
            truth = with_screenshot_level(truth, Path(scratch) / "truth.csv")
        print(f"{'source':38} {'raw':>13} {'normalised':>13}  recall@1 of normalised (raw where there is none)")
        for source in ["default", *bundles] if "--baselines" not in sys.argv else ():
            for name, options in CONFIGURATIONS.items():
                print_row(f"{source} {name}", measure(benchmark, truth, source, "--share", share, *options))
        if "--only" not in sys.argv:
            for source, options in baselines(Path(scratch), photos):
                print_row(" ".join([Path(source).name, *options[2:]]), measure(benchmark, truth, source, *options))


def baselines(scratch: Path, photos: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the baselines with their options. The first two options set the background and are not printed."""
    background = ("--background", photos)
    yield "default:patches", background
    untrained = scratch / "ViT-Ti-untrained"
    export([exportable.load("timm:vit_tiny_patch16_224", size=224, random=True)], untrained)
    yield str(untrained), background
    yield "colours", background
    yield "colours", (*background, "--whitening", photos, "--centred", "--dimensions", DIMENSIONS)
    for source in ("pdq8", "pdq", "phash"):
        yield source, background


def measure(benchmark: Path, truth: Path, source: str, *options: str) -> dict[str, Any]:
    """Run ``copysight evaluate copy`` and return its JSON result."""
    files = [
        "--references",
        benchmark / "references.tar",
        "--queries",
        benchmark / "queries.tar",
        "--ground-truth",
        truth,
    ]
    result = CliRunner().invoke(copy, [source, *map(str, files), *options, "--json"], catch_exceptions=False)
    if result.exit_code:
        sys.exit(result.output)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def print_row(name: str, found: dict[str, Any]) -> None:
    raw, normalised = (_format_metrics(found.get(scores)) for scores in ("raw", "normalized"))
    recalls = found.get("normalized", found["raw"])["recall_at_1"]
    levels = ", ".join(f"{level} {recall:.3f}" for level, recall in recalls.items())
    print(f"{name:38} {raw:>13} {normalised:>13}  {levels}{_format_calibration(found.get('calibration'))}", flush=True)


def _format_metrics(figures: dict[str, Any] | None) -> str:
    return "" if figures is None else f"{figures['micro_ap']:.3f} / {figures['recall_at_p90']:.3f}"


def _format_calibration(calibration: dict[str, Any] | None) -> str:
    if calibration is None:
        return ""
    worst = max(abs(one["stated"] - one["share"]) for one in calibration["bins"])
    return f"; calibration {calibration['expected_calibration_error']:.3f}, {worst:.3f}"


def share_with_copy(truth: Path) -> str:
    """Return the share of queries that have a copy."""
    with truth.open(newline="") as file:
        references = [row["reference_id"] for row in csv.DictReader(file)]
    return str(sum(map(bool, references)) / len(references))


def with_screenshot_level(truth: Path, out: Path) -> Path:
    """Write the ground truth with the additional level `screenshot` for pictures inside screenshots."""
    with truth.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["reference_id"] and "screenshot" in row["edits"]:
            row["level"] = "screenshot"
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return out


if __name__ == "__main__":
    main()
