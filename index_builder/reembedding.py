"""Another bundle for an index: every picture embedded again from its original, while the old bundle answers."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from copysight.catalog import Item
from copysight.errors import OriginalsMissing, PublisherBusy
from copysight.index import Generation, Index, rollback
from copysight.index.generations.manifest import Manifest
from copysight.index.publishing import missing_vectors
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from index_builder.progress import Progress
from index_builder.stages import publishing
from index_builder.stages.originals import GONE, Originals
from index_builder.stages.publishing import Hear
from index_builder.stages.records import Float

LISTED = 1000
SHOWN = 3
LOCK = "reembedding.lock"


@dataclass(frozen=True)
class Wanted:
    """Which bundle; ``allow_missing`` leaves out what has no original.

    ``kind`` is a FAISS type by name; None for it, for ``clusters`` and ``share``, and 0 for ``threads``: as usual.
    """

    bundle: str
    allow_missing: bool = False
    clusters: int | None = None
    kind: str | None = None
    share: float | None = None
    threads: int = 0
    provider: str = "cpu"


@dataclass(frozen=True)
class Lost:
    """An item that cannot be embedded again, and why."""

    id: int
    collection: str
    key: str
    reason: str


def reembed(index: Index, wanted: Wanted, progress: Progress, hear: Hear | None = None) -> Generation:
    """Embed, publish, and go over to the new bundle by one swap. A run that was stopped goes on.

    Pictures that are added meanwhile are caught up before the swap; until then everything is of the old bundle. Raises
    ``OriginalsMissing``, ``PublisherBusy`` (another re-embedding is at work), ``GateFailed``, ….
    """
    with _alone(index):
        bundle = bundles.load(wanted.bundle)
        if not wanted.allow_missing:
            _check(bundle, _without_original(index, bundle))
        # Noted before it is installed: what is coming, no publisher clears away.
        variant = index.catalog.models.prepare(bundle.id, bundle.usual_variant)
        bundle = index.install(bundle.path)
        embedder = Embedder(bundle, Runtime(variant=variant, provider=wanted.provider))
        originals = Originals(index.blobs, embedder, wanted.threads)
        _embed(index, bundle, originals, progress, hear or _silent)
        if not wanted.allow_missing:
            _check(bundle, _lost(index, bundle, originals))
        return publishing.rebuild(
            index,
            wanted.clusters,
            progress,
            hear,
            wanted.kind,
            wanted.share,
            model=bundle.id,
            variant=variant,
            supply=originals,
            allow_missing=wanted.allow_missing,
            wait=True,
        )


def go_back(index: Index, to: str | None, threads: int = 0) -> Generation:
    """``rollback``; what came since a generation of another bundle is embedded by that one first."""

    def originals(made: Manifest) -> Originals:
        bundle = bundles.load(index.layout.bundles / made.bundle, verify=False)
        return Originals(index.blobs, Embedder(bundle, Runtime(variant=made.variant)), threads)

    return rollback(index, to, originals)


def _embed(index: Index, bundle: Bundle, originals: Originals, progress: Progress, hear: Hear) -> None:
    """The bulk of the work; what comes later is the publisher's to catch up, and told to nobody."""
    total = index.catalog.count()
    done = total - index.catalog.missing_count(bundle.id)
    hear("embed", done, total)
    with progress.stage("embed", total, done) as step:

        def counted(items: Sequence[Item]) -> Mapping[str, Float]:
            nonlocal done
            vectors = originals(items)
            made = sum(item.sha256 in vectors for item in items)
            done += made
            step(made)
            hear("embed", done, max(done, total))  # more than at the beginning: pictures are added meanwhile
            return vectors

        missing_vectors.work_off(index.catalog, bundle.id, counted)


def _silent(_stage: str, _done: int, _total: int) -> None:
    return None


@contextmanager
def _alone(index: Index) -> Iterator[None]:
    """One re-embedding at a time; adds, deletes, searches and rebuilds go on."""
    handle = os.open(index.staging / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PublisherBusy(f"another process embeds {index.directory} anew; wait until it is done") from error
    else:
        yield
    finally:
        os.close(handle)


def _without_original(index: Index, bundle: Bundle) -> list[Lost]:
    """Known before hours of work. Of items that show the same bytes, one with an original is enough."""

    def there(item: Item) -> bool:
        return index.blobs.has_original(item.sha256, item.source)

    gone = [item for item in _lacking(index, bundle) if not there(item)]
    return [_as_lost(item, GONE) for item in gone if not any(map(there, index.catalog.by_sha256(item.sha256)))]


def _lost(index: Index, bundle: Bundle, originals: Originals) -> list[Lost]:
    lacking = _lacking(index, bundle)
    return [_as_lost(item, originals.lost[item.id]) for item in lacking if item.id in originals.lost]


def _lacking(index: Index, bundle: Bundle) -> Iterator[Item]:
    after = 0
    while items := index.catalog.missing(bundle.id, LISTED, after):
        yield from items
        after = items[-1].id


def _as_lost(item: Item, reason: str) -> Lost:
    return Lost(item.id, item.collection, item.key, reason)


def _check(bundle: Bundle, lost: list[Lost]) -> None:
    if lost:
        names = "; ".join(f"{one.key!r}: {one.reason}" for one in lost[:SHOWN]) + "; …" * (len(lost) > SHOWN)
        raise OriginalsMissing(
            f"{len(lost):,} pictures cannot be embedded by the bundle {bundle.name!r}, which needs their originals "
            f"({names}); put these back, remove the items, or leave them out of every search by "
            "--allow-missing",
            count=len(lost),
            items=[asdict(one) for one in lost[:LISTED]],
        )
