"""Copy detection of the default bundle on the benchmark of the project, beside hashes, colours and other networks.

COPYSIGHT_DATA names the folder that holds `copybench/` (references.tar, queries.tar, ground_truth.csv) and `photos/`,
which serve as background where a source brings none, and teach the whitening of the colours.

    COPYSIGHT_DATA=folder python -m benchmarks.copybench [BUNDLE ...]          bundles beside the default; DINO's, say
    COPYSIGHT_DATA=folder python -m benchmarks.copybench --only [BUNDLE ...]   no baselines
    COPYSIGHT_DATA=folder python -m benchmarks.copybench --only --screenshots  those in screenshots by themselves
    COPYSIGHT_DATA=folder python -m benchmarks.copybench --baselines           nothing but the baselines

Every row is raw and with score normalisation: micro-AP / R@P90, recall@1 by level; then how far probabilities that an
index of the references states are from true shares (expected error, worst of 15 bins). It is told the share of queries
that have a copy here.
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

from copysight.scoring.query_views import EFFORTS
from evaluation.copies.copy import copy
from training.export import exportable
from training.export.export import export

WAYS: dict[str, tuple[str, ...]] = {f"int8 {effort}": ("--variant", "int8", "--effort", effort) for effort in EFFORTS}
WAYS["fp32 low"] = ("--effort", "low")
"""How a bundle is measured: with each effort in int8, and by one look in float32."""
DIMENSIONS = "64"
"""Directions that the whitened histogram keeps: those of our pilot."""


def main() -> None:
    """Print the table, a row as soon as it is there."""
    data = Path(os.environ.get("COPYSIGHT_DATA", ""))
    bench, photos = data / "copybench", str(data / "photos")
    if not bench.is_dir():
        sys.exit(f"set COPYSIGHT_DATA to the folder that holds copybench/ (there is none in {data})")
    bundles = [word for word in sys.argv[1:] if not word.startswith("--")]
    with tempfile.TemporaryDirectory() as scratch:
        truth = bench / "ground_truth.csv"
        share = share_of(truth)
        if "--screenshots" in sys.argv:
            truth = by_screenshot(truth, Path(scratch) / "truth.csv")
        print(f"{'source':38} {'raw':>13} {'normalised':>13}  recall@1 of normalised (raw where there is none)")
        for source in ["default", *bundles] if "--baselines" not in sys.argv else ():
            for name, options in WAYS.items():
                show(f"{source} {name}", measured(bench, truth, source, "--share", share, *options))
        if "--only" not in sys.argv:
            for source, options in baselines(Path(scratch), photos):
                show(" ".join([Path(source).name, *options[2:]]), measured(bench, truth, source, *options))


def baselines(scratch: Path, photos: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Sources beside the bundle, with their options; the first two, which name the background, go without saying."""
    around = ("--background", photos)
    yield "default:patches", around
    untrained = scratch / "ViT-Ti-untrained"
    export([exportable.load("timm:vit_tiny_patch16_224", size=224, random=True)], untrained)
    yield str(untrained), around
    yield "colours", around
    yield "colours", (*around, "--whitening", photos, "--centred", "--dimensions", DIMENSIONS)
    for source in ("pdq8", "pdq", "phash"):
        yield source, around


def measured(bench: Path, truth: Path, source: str, *options: str) -> dict[str, Any]:
    """What ``copysight evaluate copy`` says."""
    files = ["--references", bench / "references.tar", "--queries", bench / "queries.tar", "--ground-truth", truth]
    result = CliRunner().invoke(copy, [source, *map(str, files), *options, "--json"], catch_exceptions=False)
    if result.exit_code:
        sys.exit(result.output)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def show(name: str, found: dict[str, Any]) -> None:
    raw, normalised = (_pair(found.get(scores)) for scores in ("raw", "normalized"))
    recalls = found.get("normalized", found["raw"])["recall_at_1"]
    levels = ", ".join(f"{level} {recall:.3f}" for level, recall in recalls.items())
    print(f"{name:38} {raw:>13} {normalised:>13}  {levels}{_stated(found.get('calibration'))}", flush=True)


def _pair(figures: dict[str, Any] | None) -> str:
    return "" if figures is None else f"{figures['micro_ap']:.3f} / {figures['recall_at_p90']:.3f}"


def _stated(calibration: dict[str, Any] | None) -> str:
    if calibration is None:
        return ""
    worst = max(abs(one["stated"] - one["share"]) for one in calibration["bins"])
    return f"; calibration {calibration['expected_calibration_error']:.3f}, {worst:.3f}"


def share_of(truth: Path) -> str:
    """The share of queries that have a copy."""
    with truth.open(newline="") as file:
        references = [row["reference_id"] for row in csv.DictReader(file)]
    return str(sum(map(bool, references)) / len(references))


def by_screenshot(truth: Path, out: Path) -> Path:
    """The ground truth with a level of its own for pictures inside screenshots."""
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
