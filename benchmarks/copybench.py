"""Copy detection of the default bundle on the benchmark of the project, beside plain pixels and colours.

COPYSIGHT_DATA names the folder that holds `copybench/` (references.tar, queries.tar, ground_truth.csv, a README with
the table of perceptual hashes) and `photos/`, which serve as background for score normalisation.
"""

import os
import re
import sys
from pathlib import Path

from click.testing import CliRunner

from evaluation.copy import copy

SOURCES = ("default", "pdq", "phash", "colours", "pixels")


def main() -> None:
    """Print one table for each source, then the table of the benchmark's README."""
    data = Path(os.environ.get("COPYSIGHT_DATA", ""))
    bench = data / "copybench"
    if not bench.is_dir():
        sys.exit(f"set COPYSIGHT_DATA to the folder that holds copybench/ (there is none in {data})")
    for source in sys.argv[1:] or SOURCES:
        print(f"\n{source}")
        arguments = ["--references", bench / "references.tar", "--queries", bench / "queries.tar"]
        arguments += ["--ground-truth", bench / "ground_truth.csv", "--background", data / "photos"]
        result = CliRunner().invoke(copy, [source, *map(str, arguments)], catch_exceptions=False)
        print(result.stdout)
    print("\nthe README of the benchmark")
    print("\n".join(re.findall(r"^\|.*$", (bench / "README.md").read_text(), re.MULTILINE)))


if __name__ == "__main__":
    main()
