"""Build an index from pictures: scan, embed, commit, publish. A killed build continues when it is run again."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from copysight.errors import BundleMismatch, ItemNotFound, NoPictures
from copysight.index import Index
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.scan import ORDINARY, Entry, scan
from index_builder.open_index import open_or_create
from index_builder.progress import Progress
from index_builder.stages import commit, embedding, former_keys, publishing, ray_embedding
from index_builder.stages.commit import Committed
from index_builder.stages.embedding import EmbedContext
from index_builder.stages.plan import Plan, Work
from index_builder.stages.records import Embedded, Record
from index_builder.stages.staging import Staging
from index_builder.summary import MAX_LISTED, Summary
from index_builder.sync import follow
from index_builder.sync.follow import Synced


@dataclass(frozen=True)
class EmbedCounts:
    """Number of files embedded by this run, and number of files staged by an earlier run that was stopped."""

    embedded: int
    resumed: int


def build(plan: Plan, progress: Progress) -> Summary:
    """Scan, embed, commit, cluster, publish. Raises ``NoPictures``, ``BundleMismatch``, ``PublisherBusy``, ….

    Unreadable files are counted with their reasons and do not stop the build. Raises ``NoPictures`` only if no file can
    be read and the index is empty.
    """
    began = time.monotonic()
    found = scan(plan.source, plan.reading, allow_empty=plan.sync is not None)
    with open_or_create(plan.index, plan.bundle, plan.policy, plan.local) as index:
        # The whole build uses this model, even if a re-embedding makes another one live in the meantime.
        snapshot = index.snapshot()
        embedder = Embedder(snapshot.bundle, Runtime(variant=snapshot.variant, provider=plan.provider))
        staging = Staging(index.staging, *identity(plan, embedder))
        with staging.lock(), _job(index, staging) as job:
            known = former_keys.with_known_keys(found, index.catalog, plan.collection)
            work = Work(plan, known, index, embedder, staging, job, progress)
            if plan.sync is not None:
                follow.check_early(work, plan.sync.most_missing)
            counts = _embed(work)
            synced = _commit(work)
            committed = synced.committed
            _check_not_empty(work, committed)
            if plan.publish:
                publishing.publish_changes(index, plan.clusters, progress, plan.probabilities)
            staging.clear()
            summary = _summary(work, counts, synced, time.monotonic() - began)
            index.catalog.jobs.update(job, message=summary.to_json())
    return summary


def identity(plan: Plan, embedder: Embedder) -> tuple[str, ...]:
    """What two builds must have in common so that the second can continue the first."""
    model = embedder.bundle.id, embedder.runtime.variant
    limits = () if plan.reading.limits == ORDINARY.limits else (str(plan.reading.limits),)
    sync = () if plan.sync is None else ("sync",)
    return str(plan.source.resolve()), *model, plan.collection, str(plan.replace), *limits, *sync


@contextmanager
def _job(index: Index, staging: Staging) -> Iterator[int]:
    """Record the state of the build in the table of jobs. A build that is continued keeps its job id."""
    number = _job_id(index, staging)
    with index.catalog.jobs.running(number):
        yield number


def _job_id(index: Index, staging: Staging) -> int:
    number = staging.job()
    try:
        if number is not None:
            return index.catalog.jobs.get(number).id
    except ItemNotFound:  # the index was restored from an older backup
        pass
    number = index.catalog.jobs.create("build").id
    staging.set_job(number)
    return number


def _embed(work: Work) -> EmbedCounts:
    """Stage a record of every entry that is not staged yet."""
    staged = work.staging.stamps()
    waiting = [entry for entry in work.found.entries if staged.get(entry.key) != entry.stamp]
    total = len(work.found.entries)
    resumed = total - len(waiting)
    if resumed:
        work.progress.print_line(f"continuing after {resumed:,} of {total:,} pictures")
    done, embedded = resumed, 0
    # A separate thread writes the chunks, so that the model does not wait for the disk.
    with work.progress.stage("embed", total, resumed) as step, ThreadPoolExecutor(1) as writer:
        chunks = _chunks(_with_progress(_records(work, waiting), step), work.plan.chunk)
        for chunk in embedding.ordered_map(writer, work.staging.write_chunk, chunks, 2):
            done += len(chunk)
            embedded += sum(isinstance(record, Embedded) for record in chunk)
            work.index.catalog.jobs.update(work.job, progress=done, total=total)
    return EmbedCounts(embedded, resumed)


def _records(work: Work, waiting: list[Entry]) -> Iterator[Record]:
    index, plan = work.index, work.plan
    items = index.catalog.find_many(plan.collection, [entry.key for entry in waiting])
    # Items that have no vector, because a change of bundle left them out, are embedded like new ones.
    without = index.catalog.missing(work.embedder.bundle.id)
    left_out = {item.id for item in without}
    known = {key: item.sha256 for key, item in items.items() if item.id not in left_out}
    stored = set() if plan.sync is None else index.catalog.sha256s_of_items() - {item.sha256 for item in without}
    context = EmbedContext(
        embedder=work.embedder,
        known=known,
        replace=plan.replace,
        keep=index.blobs.policy == "keep",
        put=work.staging.put_blob,
        threads=plan.threads or embedding.cores(),
        limits=plan.reading.limits,
        stored=stored,
    )
    if plan.ray is not None:
        return ray_embedding.embed_entries(waiting, replace(context, threads=plan.threads), plan.ray)
    return embedding.embed_entries(waiting, context)


def _with_progress(records: Iterable[Record], step: Callable[[int], None]) -> Iterator[Record]:
    for record in records:
        step(1)
        yield record


def _chunks(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    return iter(lambda: list(islice(records, size)), [])


def _commit(work: Work) -> Synced:
    try:
        if work.plan.sync is None:
            return Synced(commit.commit(work), None)
        return follow.follow(work, work.plan.sync.most_missing)
    except BundleMismatch as error:
        work.staging.clear()
        raise BundleMismatch(
            f"the index {work.plan.index} changed to another bundle during this build; run the same command again to "
            "embed the remaining pictures with the new bundle"
        ) from error


def _check_not_empty(work: Work, committed: Committed) -> None:
    if work.index.catalog.count() == 0 and work.found.entries:
        work.staging.clear()
        reasons = ", ".join(f"{count} {code}" for code, count in committed.reasons.items())
        raise NoPictures(
            f"none of the {len(work.found.entries):,} picture files at {work.plan.source} can be read ({reasons}); "
            "check that they are valid pictures",
            source=str(work.plan.source),
        )


def _summary(work: Work, counts: EmbedCounts, synced: Synced, seconds: float) -> Summary:
    status, snapshot, committed = work.index.status(), work.index.snapshot(), synced.committed
    unreadable = committed.unreadable
    return Summary(
        index=str(work.plan.index),
        pictures=len(work.found.entries),
        ignored=work.found.ignored,
        embedded=counts.embedded,
        resumed=counts.resumed,
        created=committed.created,
        replaced=committed.replaced,
        unchanged=committed.unchanged,
        conflicts=committed.conflicts,
        unreadable=len(unreadable),
        reasons=committed.reasons,
        failures=tuple(committed.failures[:MAX_LISTED]),
        absent=_absent(work),
        account=work.found.account.with_failures(unreadable),
        collection=work.plan.collection,
        count=status.count,
        generation=status.generation,
        index_type=status.index_type,
        recall=status.recall,
        clusters=len(snapshot.clusters()),
        seconds=round(seconds, 3),
        sync=synced.followed,
    )


def _absent(work: Work) -> int:
    """Number of items of the collection that have no file in this source."""
    catalog, collection = work.index.catalog, work.plan.collection
    return catalog.count(collection) - len(catalog.find_many(collection, [entry.key for entry in work.found.entries]))
