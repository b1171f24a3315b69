"""Commit staged records to the catalog. Each chunk is one durable transaction; committing a chunk twice is harmless."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from copysight.catalog import Added, NewItem
from copysight.errors import KeyConflict
from copysight.pictures.scan import Entry, Failure
from index_builder.stages.plan import Work
from index_builder.stages.records import Embedded, Present, Record, Unreadable


@dataclass(frozen=True)
class Committed:
    """Number of items by outcome; ``failures`` are the files that became no item."""

    created: int
    replaced: int
    unchanged: int
    failures: tuple[Unreadable, ...]

    @property
    def conflicts(self) -> int:
        """Number of files whose key already belongs to another picture."""
        return self.reasons.get(KeyConflict.code, 0)

    @property
    def unreadable(self) -> list[Failure]:
        """The failures that are no conflicts."""
        return [Failure(one.key, one.code, one.detail) for one in self.failures if one.code != KeyConflict.code]

    @property
    def reasons(self) -> dict[str, int]:
        """Number of failures by error code."""
        return dict(sorted(Counter(failure.code for failure in self.failures).items()))


def commit(work: Work) -> Committed:
    """Add the staged records whose files still exist unchanged."""
    entries = {entry.key: entry for entry in work.found.entries}
    counts: Counter[str] = Counter()
    failures: list[Unreadable] = []
    with work.progress.stage("commit", len(entries)) as step:
        for chunk in work.staging.chunks():
            records = [record for record in chunk if is_current(record, entries)]
            failures += [record for record in records if isinstance(record, Unreadable)]
            present = [entries[record.key] for record in records if isinstance(record, Present)]
            counts["unchanged"] += len(present)
            _renew_sources(work, present)
            counts.update(add(work, [record for record in records if isinstance(record, Embedded)], failures))
            step(len(records))
    return Committed(counts["created"], counts["replaced"], counts["unchanged"], tuple(failures))


def is_current(record: Record, entries: dict[str, Entry]) -> bool:
    """Whether a staged record is of a file that is still as it was."""
    entry = entries.get(record.key)
    return entry is not None and entry.stamp == record.stamp


def add(work: Work, records: list[Embedded], failures: list[Unreadable]) -> list[str]:
    """Add embedded pictures with their files. Returns the status of each; those not added go to ``failures``."""
    index = work.index
    with index.blobs.hold():
        work.staging.move_blobs([record.sha256 for record in records], index.blobs)
        complete, stored = [], index.blobs.with_thumbnail({record.sha256 for record in records})
        for record in records:
            if record.sha256 not in stored:
                reason = "the picture was deleted during the build; run the build again"
                failures.append(Unreadable(record.key, record.stamp, "deleted", reason))
            else:
                complete.append(record)
        kept = metadata_of(work, [record.key for record in complete])
        items = [_item(record, work.plan.collection, kept.get(record.key, {})) for record in complete]
        outcomes = index.catalog.add(items, model=work.embedder.bundle.id, replace=work.plan.replace) if items else []
    for record, outcome in zip(complete, outcomes, strict=True):
        if isinstance(outcome, KeyConflict):
            failures.append(Unreadable(record.key, record.stamp, outcome.code, outcome.message))
    return statuses(outcomes)


def metadata_of(work: Work, keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The metadata by key that stay when a sync replaces a picture. A build with ``--replace`` removes them."""
    if work.plan.sync is None:
        return {}
    return {key: one.metadata for key, one in work.index.catalog.find_many(work.plan.collection, keys).items()}


def statuses(outcomes: Iterable[Added | KeyConflict]) -> list[str]:
    """The status of each item that was added."""
    return [outcome.status for outcome in outcomes if isinstance(outcome, Added)]


def _renew_sources(work: Work, present: Iterable[Entry]) -> None:
    """Remember where the originals of known items are now, if the index reads them there."""
    if work.index.blobs.policy != "reference":
        return
    sources = {entry.key: entry.source for entry in present}
    known = work.index.catalog.find_many(work.plan.collection, sources)
    moved = {item.id: source for key, item in known.items() if (source := sources[key]) not in {None, item.source}}
    if moved:
        work.index.catalog.set_sources({number: source for number, source in moved.items() if source is not None})


def _item(record: Embedded, collection: str, metadata: Mapping[str, Any]) -> NewItem:
    return NewItem(
        key=record.key,
        sha256=record.sha256,
        width=record.width,
        height=record.height,
        vector=record.vector,
        collection=collection,
        metadata=metadata,
        source=record.source,
        files=True,
        information=record.information,
        bytes=record.bytes,
        taken=record.taken,
        camera=record.camera,
    )
