"""Groups of edited copies by the protocol of imagededup: recall and precision of the pairs that `dedupe` finds.

    python -m benchmarks.dedupe_edits PHOTOGRAPHS FOLDER [--count 1800] [--seed 0] [--only-make]

Of each of ``count`` photographs (PHOTOGRAPHS: a folder or tar shards), FOLDER gets the original and five edits: a
random crop to 7/8 of both sides, both mirror images, a rotation by 25 degrees, and a resize to a square (imagededup's
guide, Benchmarks, "Transformed dataset"). A pair of pictures is found if both are in one group. The true pairs are the
15 of each photograph. Photographs that are copies of each other in the source would count as wrong: they are listed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from copysight.pictures.scan import scan

EDITS = ("original", "crop", "mirror", "flip", "rotate", "square")
QUALITY = 90
PROBABILITIES = (0.5, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999)
Pair = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only-make", action="store_true")
    options = parser.parse_args()
    pictures = options.folder / "pictures"
    if not pictures.exists():
        make(options.photographs, pictures, options.count, np.random.default_rng(options.seed))
    if not options.only_make:
        report(pictures, options.folder)


def make(source: Path, folder: Path, count: int, rng: np.random.Generator) -> None:
    """Write ``count`` photographs and their edits, named ``<number>-<edit>.jpg``."""
    entries = scan(source).entries
    folder.mkdir(parents=True)
    for number, place in enumerate(rng.choice(len(entries), count, replace=False)):
        with Image.open(BytesIO(entries[place].read())) as opened:
            picture = opened.convert("RGB")
        for name, edited in zip(EDITS, edits_of(picture, rng), strict=True):
            edited.save(folder / f"{number:05}-{name}.jpg", quality=QUALITY)


def edits_of(picture: Image.Image, rng: np.random.Generator) -> Iterator[Image.Image]:
    """The picture, then its edits in the order of ``EDITS``."""
    width, height = picture.size
    inner = round(width * 7 / 8), round(height * 7 / 8)
    left, top = (int(rng.integers(0, whole - part + 1)) for whole, part in zip(picture.size, inner, strict=True))
    yield picture
    yield picture.crop((left, top, left + inner[0], top + inner[1]))
    yield picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    yield picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    yield picture.rotate(25, Image.Resampling.BICUBIC)
    yield picture.resize((min(picture.size),) * 2)


def report(pictures: Path, folder: Path) -> None:
    """Run the command, and print recall and precision at several probabilities, time and memory."""
    for name in ("first run", "again, cached"):
        began = time.monotonic()
        dedupe(pictures, folder / "cache", min(PROBABILITIES))
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
        print(f"{name}: {seconds:.0f} s, at most {peak:,.0f} MiB")
    count = len({path.name.split("-")[0] for path in pictures.iterdir()})
    print(f"{count * len(EDITS):,} pictures, {count * 15:,} true pairs, {os.cpu_count()} processors")
    print("probability  recall  precision  wrong pairs  kept-member recall  kept-member precision")
    for probability in PROBABILITIES:
        groups = dedupe(pictures, folder / "cache", probability)["groups"]
        pairs, stars = _pairs(groups), [(one["path"], group["keep"]) for group in groups for one in group["members"]]
        wrong = [pair for pair in pairs if not _is_copy(pair)]
        right, star = len(pairs) - len(wrong), sum(map(_is_copy, stars))
        print(
            f"{probability:11.3f}  {right / (count * 15):.4f}  {right / max(1, len(pairs)):.5f}    {len(wrong):8}"
            f"    {star / (count * 5):.4f}              {star / max(1, len(stars)):.5f}"
        )
    missed = Counter(dict.fromkeys(EDITS, count))
    groups = dedupe(pictures, folder / "cache", 0.9)["groups"]
    missed -= Counter(_edit(path) for group in groups for path in _paths(group))
    print("pictures in no group at 0.9:", dict(missed))
    print("wrong at 0.9:", *[pair for pair in _pairs(groups) if not _is_copy(pair)][:20], sep="\n  ")


def dedupe(pictures: Path, cache: Path, probability: float) -> Any:
    """The answer of the command."""
    call = [sys.executable, "-m", "cli", "dedupe", str(pictures), "--cache", str(cache), "--json"]
    done = subprocess.run([*call, "--probability", str(probability)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _pairs(groups: list[dict[str, Any]]) -> list[Pair]:
    return [pair for group in groups for pair in combinations(_paths(group), 2)]


def _paths(group: dict[str, Any]) -> list[str]:
    return [group["keep"], *(one["path"] for one in group["members"])]


def _is_copy(pair: Pair) -> bool:
    return pair[0].split("-")[0] == pair[1].split("-")[0]


def _edit(path: str) -> str:
    return Path(path).stem.split("-")[1]


if __name__ == "__main__":
    main()
