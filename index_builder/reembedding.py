"""Change the bundle of an index: embed every original again while searches still use the old bundle."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from copysight.catalog import Item
from copysight.errors import OriginalsMissing, PublisherBusy
from copysight.index import Generation, Index, rollback
from copysight.index.generations.manifest import Manifest
from copysight.index.publishing import missing_vectors
from copysight.index.upkeep import item_files
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from index_builder.progress import Progress
from index_builder.stages import publishing
from index_builder.stages.calibration import AS_BEFORE, ProbabilityOptions
from index_builder.stages.originals import ORIGINAL_MISSING, Originals
from index_builder.stages.publishing import ProgressCallback
from index_builder.stages.records import Float

MAX_LISTED = 1000
MAX_SHOWN = 3


@dataclass(frozen=True)
class ReembedOptions:
    """The new bundle, and how to embed and publish. ``allow_missing`` leaves out items without an original.

    ``kind`` is the name of a FAISS index type. None for ``kind`` or ``clusters``, and 0 for ``threads``,
    mean the default.
    """

    bundle: str
    allow_missing: bool = False
    clusters: int | None = None
    kind: str | None = None
    probabilities: ProbabilityOptions = AS_BEFORE
    threads: int = 0
    provider: str = "cpu"


@dataclass(frozen=True)
class NotEmbeddable:
    """An item that cannot be embedded again, and the reason."""

    id: int
    collection: str
    key: str
    reason: str


def reembed(
    index: Index, options: ReembedOptions, progress: Progress, on_progress: ProgressCallback | None = None
) -> Generation:
    """Embed all items, publish, and make the new bundle live in one atomic swap. A stopped run can be continued.

    Until the swap, searches and additions use the old bundle. Pictures that are added in the meantime are embedded with
    the new bundle before the swap. Raises ``OriginalsMissing``, ``PublisherBusy`` (another re-embedding is running),
    ``GateFailed``, ….
    """
    with _only_one(index):
        bundle = bundles.load(options.bundle)
        if not options.allow_missing:
            _check(bundle, _items_without_original(index, bundle))
        # Record the new bundle before installing it, so that no publisher removes it as unused.
        variant = index.catalog.models.prepare(bundle.id, bundle.default_variant)
        bundle = index.install(bundle.path)
        embedder = Embedder(bundle, Runtime(variant=variant, provider=options.provider))
        originals = Originals(index.blobs, embedder, options.threads)
        _embed(index, bundle, originals, progress, on_progress or _no_progress)
        if not options.allow_missing:
            _check(bundle, _failed_items(index, bundle, originals))
        return publishing.rebuild(
            index,
            options.clusters,
            progress,
            on_progress,
            options.kind,
            options.probabilities,
            model=bundle.id,
            variant=variant,
            supply=originals,
            allow_missing=options.allow_missing,
            wait=True,
        )


def rollback_and_embed(index: Index, to: str | None, threads: int = 0) -> Generation:
    """Roll back. If the generation belongs to another bundle, embed newer items with that bundle first."""

    def originals(made: Manifest) -> Originals:
        bundle = bundles.load(index.layout.bundles / made.bundle, verify=False)
        return Originals(index.blobs, Embedder(bundle, Runtime(variant=made.variant)), threads)

    return rollback(index, to, originals)


def _embed(
    index: Index, bundle: Bundle, originals: Originals, progress: Progress, on_progress: ProgressCallback
) -> None:
    """Embed all items that have no vector yet. The publisher embeds later additions without reporting progress."""
    total = index.catalog.count()
    done = total - index.catalog.missing_count(bundle.id)
    on_progress("embed", done, total)
    with progress.stage("embed", total, done) as step:

        def counted(items: Sequence[Item]) -> Mapping[str, Float]:
            nonlocal done
            vectors = originals(items)
            made = sum(item.sha256 in vectors for item in items)
            done += made
            step(made)
            on_progress("embed", done, max(done, total))  # items can be added during the run
            return vectors

        missing_vectors.fill(index.catalog, bundle.id, counted)


def _no_progress(_stage: str, _done: int, _total: int) -> None:
    return None


@contextmanager
def _only_one(index: Index) -> Iterator[None]:
    """Lock out other re-embeddings of this index. Adds, deletes, searches and rebuilds are still possible."""
    lock = index.catalog.lock("reembedding")
    if not lock.acquire():
        lock.release()
        raise PublisherBusy(f"another process is re-embedding {index.directory}; wait until it has finished")
    try:
        yield
    finally:
        lock.release()


def _items_without_original(index: Index, bundle: Bundle) -> list[NotEmbeddable]:
    """Items whose original is missing, found before hours of work. Items of equal bytes can share one original."""

    def has_original(held: item_files.Held, item: Item) -> bool:
        if held(item.sha256):
            return True
        if index.blobs.policy != "reference":
            return False
        return any(index.blobs.at_source(one.source) for one in [item, *index.catalog.by_sha256(item.sha256)])

    items = _items_without_vector(index, bundle)
    missing, _ = item_files.lacking(index.catalog, index.blobs, items, has_original)
    return [_not_embeddable(item, ORIGINAL_MISSING) for item in missing]


def _failed_items(index: Index, bundle: Bundle, originals: Originals) -> list[NotEmbeddable]:
    items = _items_without_vector(index, bundle)
    return [_not_embeddable(item, originals.failed[item.id]) for item in items if item.id in originals.failed]


def _items_without_vector(index: Index, bundle: Bundle) -> Iterator[Item]:
    after = 0
    while items := index.catalog.missing(bundle.id, MAX_LISTED, after):
        yield from items
        after = items[-1].id


def _not_embeddable(item: Item, reason: str) -> NotEmbeddable:
    return NotEmbeddable(item.id, item.collection, item.key, reason)


def _check(bundle: Bundle, failed: list[NotEmbeddable]) -> None:
    if failed:
        names = "; ".join(f"{one.key!r}: {one.reason}" for one in failed[:MAX_SHOWN]) + "; …" * (
            len(failed) > MAX_SHOWN
        )
        raise OriginalsMissing(
            f"{len(failed):,} pictures cannot be embedded by the bundle {bundle.name!r}, which needs their originals "
            f"({names}); restore the originals, remove the items, or leave them out of all searches with "
            "--allow-missing",
            count=len(failed),
            items=[asdict(one) for one in failed[:MAX_LISTED]],
        )
