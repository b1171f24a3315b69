"""Staged records into the catalog: each chunk is one durable transaction, and may be committed twice."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from copysight import images
from copysight.catalog import Added, NewItem
from copysight.errors import KeyConflict, PictureError
from copysight.index import Index
from copysight.scan import Entry, Scan
from index_builder.embedding import store
from index_builder.progress import Progress
from index_builder.records import Embedded, Present, Record, Unreadable
from index_builder.staging import Staging


@dataclass(frozen=True)
class Committed:
    """Counts by outcome; ``failures`` are the files that gave no item."""

    created: int
    replaced: int
    unchanged: int
    conflicts: int
    failures: tuple[Unreadable, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many failures of each code."""
        return dict(sorted(Counter(failure.code for failure in self.failures).items()))


def commit(
    index: Index, staging: Staging, found: Scan, collection: str, replace: bool, progress: Progress
) -> Committed:
    """Add what is staged of the files that are still there and unchanged."""
    entries = {entry.key: entry for entry in found.entries}
    counts: Counter[str] = Counter()
    failures: list[Unreadable] = []
    with progress.stage("commit", len(entries)) as step:
        for chunk in staging.chunks():
            records = [record for record in chunk if _is_current(record, entries)]
            failures += [record for record in records if isinstance(record, Unreadable)]
            counts["unchanged"] += sum(isinstance(record, Present) for record in records)
            embedded = [record for record in records if isinstance(record, Embedded)]
            for outcome in _add(index, embedded, entries, collection, replace, failures):
                counts[outcome] += 1
            step(len(records))
    return Committed(counts["created"], counts["replaced"], counts["unchanged"], counts["conflict"], tuple(failures))


def _is_current(record: Record, entries: dict[str, Entry]) -> bool:
    entry = entries.get(record.key)
    return entry is not None and entry.stamp == record.stamp


def _add(
    index: Index,
    records: list[Embedded],
    entries: dict[str, Entry],
    collection: str,
    replace: bool,
    failures: list[Unreadable],
) -> Iterable[str]:
    with index.blobs.hold():
        whole = []
        for record in records:
            if index.blobs.thumbnail(record.sha256) is not None or _restored(index, record, entries[record.key]):
                whole.append(record)
            else:
                failures.append(Unreadable(record.key, record.stamp, "changed", "the file changed while it was read"))
        items = [_item(record, collection) for record in whole]
        outcomes = index.catalog.add(items, model=index.bundle.id, replace=replace) if items else []
    for record, outcome in zip(whole, outcomes, strict=True):
        if isinstance(outcome, KeyConflict):
            failures.append(Unreadable(record.key, record.stamp, outcome.code, outcome.message))
    return [outcome.status if isinstance(outcome, Added) else "conflict" for outcome in outcomes]


def _restored(index: Index, record: Embedded, entry: Entry) -> bool:
    """Put the blobs again: someone deleted an item of the same bytes after they were staged."""
    try:
        data = entry.read()
        return store(data, images.decode(data, at_least=index.bundle.at_least), index.blobs) == record.sha256
    except (OSError, PictureError):
        return False


def _item(record: Embedded, collection: str) -> NewItem:
    return NewItem(
        key=record.key,
        sha256=record.sha256,
        width=record.width,
        height=record.height,
        vector=record.vector,
        collection=collection,
        source=record.source,
    )
