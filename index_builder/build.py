"""The batch job: pictures to a published index. Stages in order; a killed job goes on where it stopped."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from copysight.errors import BundleMismatch, ItemNotFound, NoPictures
from copysight.index import Index
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.scan import Entry, scan
from index_builder.open_index import opened
from index_builder.progress import Progress
from index_builder.stages import commit, embedding, publishing
from index_builder.stages.commit import Committed
from index_builder.stages.embedding import Workshop
from index_builder.stages.plan import Plan, Work
from index_builder.stages.records import Embedded, Record
from index_builder.stages.staging import Staging
from index_builder.summary import LISTED, Summary


@dataclass(frozen=True)
class Ran:
    """Files that ran through the model now, and files that an earlier run had staged."""

    embedded: int
    resumed: int


def build(plan: Plan, progress: Progress) -> Summary:
    """Scan, embed, commit, cluster, publish. Raises ``NoPictures``, ``BundleMismatch``, ``PublisherBusy``, ….

    Files that give no picture are counted with their reasons and cost nothing else; if no file gives one and the
    index is empty, that is ``NoPictures``.
    """
    began = time.monotonic()
    found = scan(plan.source)
    with opened(plan.index, plan.bundle, plan.policy) as index:
        # One model from here to the end: a re-embedding may make another one live meanwhile.
        snapshot = index.snapshot()
        embedder = Embedder(snapshot.bundle, Runtime(variant=snapshot.variant, provider=plan.provider))
        staging = Staging(index.staging, *identity(plan, embedder))
        with staging.held(), _job(index, staging) as job:
            work = Work(plan, found, index, embedder, staging, job, progress)
            ran = _embed(work)
            committed = _commit(work)
            _check_any(work, committed)
            if plan.publish:
                publishing.publish_changes(index, plan.clusters, progress, plan.share)
            staging.clear()
            summary = _summary(work, ran, committed, time.monotonic() - began)
            index.catalog.jobs.update(job, message=summary.to_json())
    return summary


def identity(plan: Plan, embedder: Embedder) -> tuple[str, ...]:
    """What two builds must have in common for one to go on where the other stopped."""
    model = embedder.bundle.id, embedder.runtime.variant
    return str(plan.source.resolve()), *model, plan.collection, str(plan.replace)


@contextmanager
def _job(index: Index, staging: Staging) -> Iterator[int]:
    """The row that tells other processes about this work; a build that goes on keeps its row."""
    number = _row(index, staging)
    index.catalog.jobs.update(number, state="running")
    try:
        yield number
    except BaseException as error:
        index.catalog.jobs.update(number, state="failed", message=str(error) or type(error).__name__)
        raise
    index.catalog.jobs.update(number, state="done")


def _row(index: Index, staging: Staging) -> int:
    number = staging.job()
    try:
        if number is not None:
            return index.catalog.jobs.get(number).id
    except ItemNotFound:  # the index was restored from an older backup
        pass
    number = index.catalog.jobs.create("build").id
    staging.set_job(number)
    return number


def _embed(work: Work) -> Ran:
    """Stage a record of every entry that is not staged yet."""
    staged = work.staging.done()
    waiting = [entry for entry in work.found.entries if staged.get(entry.key) != entry.stamp]
    total = len(work.found.entries)
    resumed = total - len(waiting)
    if resumed:
        work.progress.say(f"going on after {resumed:,} of {total:,} pictures")
    done, embedded = resumed, 0
    # Chunks are written by a thread of their own: the model does not wait for the disk.
    with work.progress.stage("embed", total, resumed) as step, ThreadPoolExecutor(1) as writer:
        chunks = _chunks(_counted(_records(work, waiting), step), work.plan.chunk)
        for chunk in embedding.ordered(writer, work.staging.written, chunks, 2):
            done += len(chunk)
            embedded += sum(isinstance(record, Embedded) for record in chunk)
            work.index.catalog.jobs.update(work.job, progress=done, total=total)
    return Ran(embedded, resumed)


def _records(work: Work, waiting: list[Entry]) -> Iterator[Record]:
    index, plan = work.index, work.plan
    items = index.catalog.find_many(plan.collection, [entry.key for entry in waiting])
    # What another bundle left out, for lack of its original, is embedded like something new.
    left_out = {item.id for item in index.catalog.missing(work.embedder.bundle.id)}
    known = {key: item.sha256 for key, item in items.items() if item.id not in left_out}
    keep, threads = index.blobs.policy == "keep", plan.threads or embedding.cores()
    return embedding.embedded(waiting, Workshop(work.embedder, known, plan.replace, keep, work.staging.put, threads))


def _counted(records: Iterable[Record], step: Callable[[int], None]) -> Iterator[Record]:
    for record in records:
        step(1)
        yield record


def _chunks(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    return iter(lambda: list(islice(records, size)), [])


def _commit(work: Work) -> Committed:
    try:
        return commit.commit(work)
    except BundleMismatch as error:
        work.staging.clear()
        raise BundleMismatch(
            f"the index {work.plan.index} went over to another bundle while its pictures were read; run this again, "
            "and what was not added yet is read with the new one"
        ) from error


def _check_any(work: Work, committed: Committed) -> None:
    if work.index.catalog.count() == 0:
        work.staging.clear()
        reasons = ", ".join(f"{count} {code}" for code, count in committed.reasons.items())
        raise NoPictures(
            f"none of the {len(work.found.entries):,} picture files at {work.plan.source} can be read ({reasons}); "
            "give files that open as pictures",
            source=str(work.plan.source),
        )


def _summary(work: Work, ran: Ran, committed: Committed, seconds: float) -> Summary:
    status, snapshot = work.index.status(), work.index.snapshot()
    return Summary(
        index=str(work.plan.index),
        pictures=len(work.found.entries),
        ignored=work.found.ignored,
        embedded=ran.embedded,
        resumed=ran.resumed,
        created=committed.created,
        replaced=committed.replaced,
        unchanged=committed.unchanged,
        conflicts=committed.conflicts,
        unreadable=len(committed.failures) - committed.conflicts,
        reasons=committed.reasons,
        failures=tuple(committed.failures[:LISTED]),
        count=status.count,
        generation=status.generation,
        index_type=status.index_type,
        recall=status.recall,
        clusters=len(snapshot.clusters()),
        seconds=round(seconds, 3),
    )
