"""Make a collection follow its folder: moves and removals in one transaction, then new and replaced pictures.

A sync that was killed in between is finished by the next one: the items that moved are found unchanged.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from copysight.catalog import Item, NewItem
from copysight.catalog.relocation import Move
from index_builder.stages import commit
from index_builder.stages.commit import Committed
from index_builder.stages.plan import Work
from index_builder.stages.records import Embedded, Present, Record, Unreadable
from index_builder.sync import guard
from index_builder.sync.difference import Difference, compare, without_removed
from index_builder.sync.membership import of_folder, unread_of
from index_builder.sync.outcome import Followed

LOST = "its bytes were in the index, and were deleted during the sync; run it again"
PAGE = 1000


@dataclass(frozen=True)
class Synced:
    """The outcome of a commit: items by outcome, and what a sync moved and removed; None for a build without one."""

    committed: Committed
    followed: Followed | None


def check_early(work: Work, most_missing: float) -> None:
    """Refuse before hours of work what would be refused after it: each item that stays needs a file of its own."""
    keys, unread = {entry.key for entry in work.found.entries}, unread_of(work.found, ())
    is_of_folder = of_folder(work.plan.source)
    known = [
        one
        for one in work.index.catalog.known(work.plan.collection)
        if one.key in keys or (one.key not in unread and is_of_folder(one))
    ]
    guard.check(len(known) - len(keys), len(known), most_missing, [one for one in known if one.key not in keys])


def follow(work: Work, most_missing: float) -> Synced:
    """Change the collection until it equals the folder. Raises ``TooManyMissing``; then nothing was changed."""
    files, failed = _files(work)
    catalog, collection = work.index.catalog, work.plan.collection
    unread = unread_of(work.found, [one.key for one in failed])
    difference = compare(catalog.known(collection), files, unread.__contains__, of_folder(work.plan.source))
    difference = without_removed(difference, files, catalog.curation.removed(collection))
    guard.check(len(difference.vanished), difference.known, most_missing, difference.vanished)
    sources = {entry.key: entry.source for entry in work.found.entries}
    moves = [Move(item, key, sources[key]) for item, key in difference.moved]
    done = catalog.relocate(collection, moves, difference.vanished)
    counts, failures = _add(work, {*difference.created, *difference.replaced}, {*difference.decided}, sources)
    _renew_sources(work, difference, sources)
    work.index.sweep(wait=False)
    committed = Committed(counts["created"], counts["replaced"], len(difference.unchanged), (*failed, *failures))
    counted = (len(part) for part in (difference.unread, difference.elsewhere, difference.decided))
    return Synced(committed, Followed(done.moved, done.removed, *counted))


def _current(work: Work) -> Iterator[list[Record]]:
    """The staged records of files that are still as they were, chunk by chunk."""
    entries = {entry.key: entry for entry in work.found.entries}
    for chunk in work.staging.chunks():
        yield [record for record in chunk if commit.is_current(record, entries)]


def _files(work: Work) -> tuple[dict[str, str], list[Unreadable]]:
    """The sha256 of each readable file by its key, and the files that cannot be read."""
    files: dict[str, str] = {}
    failed: dict[str, Unreadable] = {}
    for records in _current(work):
        for record in records:
            if isinstance(record, Unreadable):
                failed[record.key] = record
            elif record.sha256 is not None:
                files[record.key] = record.sha256
    return files, list(failed.values())


def _add(
    work: Work, wanted: set[str], decided: set[str], sources: Mapping[str, str | None]
) -> tuple[Counter[str], list[Unreadable]]:
    """Add the records of ``wanted`` keys, and the vectors of items that had none; nothing of ``decided`` keys."""
    counts: Counter[str] = Counter()
    failures: list[Unreadable] = []
    with work.progress.stage("commit", len(wanted)) as step:
        for records in _current(work):
            embedded = [one for one in records if isinstance(one, Embedded) and one.key not in decided]
            counts.update(commit.add(work, embedded, failures))
            again = [one for one in records if isinstance(one, Present) and one.key in wanted]
            counts.update(_add_again(work, again, sources, failures))
            step(sum(one.key in wanted for one in records))
    return counts, failures


def _add_again(
    work: Work, records: Sequence[Present], sources: Mapping[str, str | None], failures: list[Unreadable]
) -> list[str]:
    """Add files whose bytes the index has already under another key; nothing is embedded."""
    index = work.index
    kept = commit.metadata_of(work, [record.key for record in records])
    new = []
    with index.blobs.hold():
        stored = index.blobs.with_thumbnail({record.sha256 for record in records if record.sha256 is not None})
        for record in records:
            twins = index.catalog.by_sha256(record.sha256 or "")
            if twins:
                made = _twin(twins[0], record.key, work, twins[0].sha256 in stored)
                new.append(replace(made, source=sources[record.key], metadata=kept.get(record.key, {})))
            else:
                failures.append(Unreadable(record.key, record.stamp, "deleted", LOST))
        return commit.statuses(index.catalog.add(new, model=work.embedder.bundle.id, replace=True)) if new else []


def _twin(item: Item, key: str, work: Work, files: bool) -> NewItem:
    return NewItem(
        key=key,
        sha256=item.sha256,
        width=item.width,
        height=item.height,
        vector=None,
        collection=work.plan.collection,
        files=files,
        information=item.information,
        bytes=item.bytes,
        taken=item.taken,
        camera=item.camera,
    )


def _renew_sources(work: Work, difference: Difference, sources: Mapping[str, str | None]) -> None:
    """Remember where the files of unchanged items are now: a folder may have moved as a whole."""
    catalog, collection = work.index.catalog, work.plan.collection
    unchanged = difference.unchanged
    for start in range(0, len(unchanged), PAGE):
        known = catalog.find_many(collection, unchanged[start : start + PAGE])
        moved = {one.id: new for key, one in known.items() if (new := sources[key]) not in {None, one.source}}
        if moved:
            catalog.set_sources({number: new for number, new in moved.items() if new is not None})
