r"""Make a copy benchmark of pictures of known kinds, for ``copysight evaluate copy``.

    python -m benchmarks.graphics_copies PICTURES.tar PICTURES.csv OUT [--queries 1000] [--edits 1] [--seed 0]
    copysight evaluate copy default --references OUT/references.tar --queries OUT/queries.tar \
        --ground-truth OUT/ground_truth.csv --diagram OUT/reliability.png

The CSV file has the columns file, kind and source. Half of the pictures of each source are references. Half of the
queries are copies of them, edited as this project's own edits do, the others are pictures of the other half, edited
likewise. With ``--edits 2`` each picture is edited twice, which makes twice as many queries. The seed is printed.

``graphics_same.csv`` lists charts of ``graphics/open`` that show the same photograph or drawing, and photographs of the
same printed code, each pair looked at (170 pairs, 36 groups). Of each group only the first picture is used: another one
would be a copy that counts as none.
"""

import argparse
import csv
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.hard import add
from copysight.pictures import edits
from evaluation.sources import read, scan

Picture = Image.Image
SIDE = 512
SAME = Path(__file__).with_name("graphics_same.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--edits", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with options.table.open(newline="") as file:
        about = {row["file"]: row for row in csv.DictReader(file)}
    with SAME.open(newline="") as file:
        groups = [(row["group"], row["file"]) for row in csv.DictReader(file)]
    first = dict(reversed(groups))
    about = {name: row for name, row in about.items() if name not in {one for _, one in groups} - {*first.values()}}
    entries = {Path(entry.key).name: entry for entry in scan(options.pictures).entries if Path(entry.key).name in about}
    halves: tuple[list[str], list[str]] = ([], [])
    for source in sorted({row["source"] for row in about.values()}):
        names = sorted(name for name in entries if about[name]["source"] == source)
        order = [names[int(place)] for place in rng.permutation(len(names))]
        halves[0].extend(order[: len(order) // 2])
        halves[1].extend(order[len(order) // 2 :])
    count = min(options.queries // 2, len(halves[0]), len(halves[1]))
    options.out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(options.out / "references.tar", "w") as tar:
        for name in halves[0]:
            add(tar, f"r{Path(name).stem}", read(entries[name]), 92)
    rows = [("query_id", "reference_id", "level", "kind")]
    with tarfile.open(options.out / "queries.tar", "w") as tar:
        for half in (0, 1):
            chosen = [rng.choice(len(halves[half]), count, replace=False) for _ in range(options.edits)]
            for number, place in enumerate(np.concatenate(chosen)):
                name, other = halves[half][int(place)], halves[1][int(rng.integers(0, len(halves[1])))]
                copy, steps = _edited(read(entries[name]), rng, read(entries[other]))
                query = f"q{half}{number:04d}"
                add(tar, query, copy, int(rng.integers(40, 90)))
                level = "light" if steps == 1 else "medium" if steps == 2 else "strong"
                rows.append((query, f"r{Path(name).stem}" if half == 0 else "", level, about[name]["kind"]))
    with (options.out / "ground_truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    print(f"{len(halves[0])} references, {len(rows) - 1} queries, seed {options.seed}")


def _edited(picture: Picture, rng: np.random.Generator, other: Picture) -> tuple[Picture, int]:
    """One to three edits that the picture may suffer, and their number."""
    names, steps = edits.names_for(picture), int(rng.integers(1, 4))
    for name in rng.choice(names, steps, replace=False):
        picture = edits.apply(str(name), picture, rng, float(rng.uniform(0.2, 0.6)), other)
        picture.thumbnail((SIDE, SIDE))
    return picture, steps


if __name__ == "__main__":
    main()
