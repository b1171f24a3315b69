"""Copy detection of the default bundle on the benchmark of the project, beside plain pixels and colours.

COPYSIGHT_DATA names the folder that holds `copybench/` (references.tar, queries.tar, ground_truth.csv, a README with
the table of perceptual hashes) and `photos/`, which serve as background where a source brings none.

    COPYSIGHT_DATA=folder python -m benchmarks.copybench [SOURCE ...]     sources, or bundles, instead of the usual ones
    COPYSIGHT_DATA=folder python -m benchmarks.copybench --screenshots    pictures inside screenshots by themselves
"""

import csv
import os
import re
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from copysight.looks import EFFORTS
from evaluation.copy import copy

BASELINES = ("pdq", "phash", "colours", "pixels")


def main() -> None:
    """Print a table for each source, the default bundle with each effort, then the table of the benchmark's README."""
    data = Path(os.environ.get("COPYSIGHT_DATA", ""))
    bench = data / "copybench"
    if not bench.is_dir():
        sys.exit(f"set COPYSIGHT_DATA to the folder that holds copybench/ (there is none in {data})")
    given = [word for word in sys.argv[1:] if word != "--screenshots"]
    with tempfile.TemporaryDirectory() as scratch:
        truth = bench / "ground_truth.csv"
        if "--screenshots" in sys.argv:
            truth = by_screenshot(truth, Path(scratch) / "truth.csv")
        for source in given or ["default"]:
            for effort in EFFORTS:
                show(bench, truth, source, "--effort", effort, "--variant", "int8")
        if given or truth.parent != bench:
            return
        for source in BASELINES:
            show(bench, truth, source, "--background", str(data / "photos"))
    print("\nthe README of the benchmark")
    print("\n".join(re.findall(r"^\|.*$", (bench / "README.md").read_text(), re.MULTILINE)))


def show(bench: Path, truth: Path, source: str, *more: str) -> None:
    print(f"\n{source} {' '.join(more)}")
    arguments = ["--references", bench / "references.tar", "--queries", bench / "queries.tar", "--ground-truth", truth]
    result = CliRunner().invoke(copy, [source, *map(str, arguments), *more], catch_exceptions=False)
    print(result.stdout, flush=True)


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
