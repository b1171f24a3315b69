"""Search an archive for duplicates: the verified pairs, and the groups that they form."""

import time
from dataclasses import dataclass
from pathlib import Path

from copysight.duplicates import keep
from copysight.duplicates.answer import Answer
from copysight.duplicates.candidates import Scorer
from copysight.duplicates.find import Progress as Note
from copysight.duplicates.find import find_pairs
from copysight.duplicates.groups import form_groups
from copysight.duplicates.pair import Pair
from copysight.duplicates.pair_cache import PairCache
from copysight.duplicates.review.decided import Decided
from copysight.duplicates.scope import Scope
from copysight.errors import InvalidArgument
from copysight.pictures.scan import ScanOptions
from index_builder.dedupe.archive import Archive
from index_builder.dedupe.sides import scope_of
from index_builder.progress import SECONDS, Progress


@dataclass(frozen=True)
class Wanted:
    """What is searched for: the least probability, the keep rules and the scope."""

    probability: float
    keep: str
    within: tuple[str, ...]
    between: tuple[str, str] | None


def find(
    archive: Archive, wanted: Wanted, folders: tuple[Path, ...], reading: ScanOptions, progress: Progress
) -> Answer:
    """The groups of an archive. What people decided about the pictures of an index counts."""
    rules = keep.parse(wanted.keep)
    pictures = [one.picture for one in archive.found]
    scope = scope_of(pictures, wanted.within, wanted.between, folders)
    pairs = find_verified(archive, scope, wanted.probability, reading, Lines(progress))
    decided = Decided.of(archive.index.catalog.curation.decisions())
    pairs = decided.pairs(pairs, [one.sha256 for one in pictures])
    facts = archive.with_facts(numbers_of(pairs))
    first = scope.sides if scope.mode == "between" else None

    def rank(number: int) -> tuple[object, ...]:
        side = 0 if first is None else int(first[number])
        return (side, not decided.is_chosen(facts[number].sha256), *keep.rank(facts[number], rules))

    if scope.mode == "between":  # what is in A is kept, also if it is a part of what is in B
        pairs = [Pair(pair.one, pair.other, pair.probability, pair.kind) for pair in pairs]
    return Answer(tuple(form_groups(pairs, rank, wanted.probability)), facts, rules, archive.unreadable)


def find_verified(archive: Archive, scope: Scope, minimum: float, reading: ScanOptions, note: Note) -> list[Pair]:
    """The pairs of an archive whose probability is at least ``minimum``. Raises ``InvalidArgument``."""
    snapshot = archive.index.snapshot()
    scorer = Scorer.of(archive.vectors, snapshot.judge)
    if scorer is None:
        raise InvalidArgument(
            f"the bundle {snapshot.bundle.name!r} has no calibration, so there are no probabilities; use another bundle"
        )
    sha256s = [one.picture.sha256 for one in archive.found]
    kept = PairCache(archive.index.directory / "features", f"{snapshot.bundle.id} {snapshot.variant}", scorer)
    return find_pairs(sha256s, scorer, archive.contents(reading), scope, minimum, kept, note)


def numbers_of(pairs: list[Pair]) -> list[int]:
    """The pictures of pairs, ascending."""
    return sorted({number for pair in pairs for number in (pair.one, pair.other)})


class Lines:
    """Print the progress of a stage every ten seconds."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._printed = progress, time.monotonic()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Print a line if it is time."""
        if time.monotonic() - self._printed >= SECONDS:
            self._printed = time.monotonic()
            self._progress.print_line(f"{stage}: {done:,} of {total:,}")
