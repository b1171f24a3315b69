"""Check that each member of a group is a copy of the kept picture, in series of pictures that resemble each other.

    python -m benchmarks.dedupe_series FOLDER... [--probability 0.9]
    python -m benchmarks.dedupe_series --pages 40 FOLDER

Each FOLDER holds frames of a film, photographs of bursts, or pages of one template. ``--pages`` makes it: so many
pages of each drawn form, of which none is a copy of another. After the search each member is compared with its kept
picture again, without the cache: a chain would show as a member whose probability is below the least one, and a mistake
of the grouping as one that is not what was stated.
"""

import argparse
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from copysight.duplicates import keep
from copysight.duplicates.candidates import Scorer
from copysight.duplicates.verify import Verifier
from copysight.pictures.scan import ScanOptions
from evaluation.regions.drawn_pages import TEMPLATES, page
from index_builder.dedupe import archive as archives
from index_builder.dedupe.search import Wanted, find
from index_builder.progress import Progress

TOLERANCE = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--probability", type=float, default=0.9)
    parser.add_argument("--pages", type=int)
    options = parser.parse_args()
    if options.pages and not options.folders[0].exists():
        make(options.folders[0], options.pages)
    print("folder: pictures, groups, members (largest group), members below the stated probability, other than stated")
    for folder in options.folders:
        print(line(folder, options.probability), flush=True)


def make(folder: Path, count: int) -> None:
    """Write pages of all forms."""
    folder.mkdir(parents=True)
    for template in TEMPLATES:
        for number in range(count):
            page(template, number).save(folder / f"{template}-{number:04}.png")


def line(folder: Path, least: float) -> str:
    """Search a folder and compare each member with its kept picture again."""
    with ExitStack() as held:
        cache = Path(held.enter_context(tempfile.TemporaryDirectory()))
        reading, progress = ScanOptions(), Progress()
        archive = archives.of_folders([folder], cache, None, reading, 0, progress, held)
        answer = find(archive, Wanted(least, keep.DEFAULT, (), None), (folder,), reading, progress)
        scorer = Scorer.of(archive.vectors, archive.index.snapshot().judge)
        assert scorer is not None
        verifier, found = Verifier(archive.contents(reading), scorer), Counter[str]()
        for group in answer.groups:
            for member in group.members:
                one, other = sorted((group.keep, member.number))
                [score] = scorer.scores(np.array([[one, other]])).tolist()
                equal = archive.found[one].picture.sha256 == archive.found[other].picture.sha256
                again = 1.0 if equal else verifier.verify(one, other, score).probability
                found["below"] += again < least - TOLERANCE
                found["other"] += abs(again - member.probability) > TOLERANCE
    sizes = [len(group.members) for group in answer.groups]
    return (
        f"{folder.name}: {len(archive.found):,}, {len(sizes):,}, {sum(sizes):,} ({max(sizes, default=0)}), "
        f"{found['below']}, {found['other']}"
    )


if __name__ == "__main__":
    main()
