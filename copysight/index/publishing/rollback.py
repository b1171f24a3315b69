"""Make a generation live, roll back to an earlier one, list generations, and prune old ones."""

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from copysight.catalog import VectorSupply
from copysight.catalog.engines.engine import Lock
from copysight.errors import IndexCorrupt, NoGeneration, PublisherBusy, VectorsUnavailable
from copysight.index.generations import manifest
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.generations.layout import CURRENT, Layout
from copysight.index.generations.manifest import Manifest
from copysight.index.index import Index
from copysight.index.publishing import missing_vectors
from copysight.index.upkeep import orphan_files
from copysight.system import durable, storable

log = logging.getLogger(__name__)


def rollback(
    index: Index, to: str | None = None, supplier: Callable[[Manifest], VectorSupply] | None = None
) -> Generation:
    """Make an earlier generation live again: ``to``, or the one before the live one.

    Items that were added or deleted since then stay added or deleted. If the generation belongs to another model,
    ``supplier`` returns a function that computes the vectors of newer items with that model. Raises ``PublisherBusy``,
    ``NoGeneration``, ``IndexCorrupt`` (the generation is damaged), or ``BundleMismatch`` if items have no vector of its
    model.
    """
    index.check_place()
    if to is not None:
        storable.check(to, "the name of a generation")
    with durable.writable(index.directory), index.publishing() as lock:
        _fetch(index, to)
        live = index.layout.live()
        others = [name for name in index.layout.names() if name != live]
        name = to if to is not None else max((name for name in others if name < (live or "")), default=None)
        if name is None or name not in others:
            wanted, kept = (to or "before the live one")[:80], ", ".join(others) or "none"
            raise NoGeneration(f"there is no generation {wanted}; available are: {kept}")
        generation = open_generation(index.layout.generations / name, index.engines)
        made, supply = generation.manifest, None
        if supplier is not None and made.bundle != index.catalog.model():
            supply = supplier(made)
            missing_vectors.fill(index.catalog, made.bundle, supply)
        go_live(index, generation.path, lock, supply=supply)
    index.reload()
    return generation


@dataclass(frozen=True)
class Kept:
    """A generation on disk. ``built_at`` is in seconds since the epoch."""

    name: str
    count: int
    index_type: str
    recall: float
    built_at: float


def generations(index: Index) -> list[Kept]:
    """The generations that can become live, oldest first. Generations with an unreadable manifest are left out."""
    found = ((name, _manifest_of(index.layout, name)) for name in index.layout.names())
    return [
        Kept(name, made.count, made.choice.kind, made.recall, made.built_at) for name, made in found if made is not None
    ]


def prune(index: Index, keep: int = 3) -> list[str]:
    """Remove all generations except the live one and the ``keep`` latest. Returns the names of the removed ones.

    Raises ``PublisherBusy``.
    """
    index.check_place()
    with durable.writable(index.directory), index.publishing():
        clean(index)
        return prune_locked(index, keep)


def go_live(
    index: Index, path: Path, lock: Lock, allow_missing: bool = False, supply: VectorSupply | None = None
) -> None:
    """Swap the pointer to a complete generation on disk. The caller holds the publisher's ``lock``.

    Raises ``PublisherBusy`` if the lock was lost with the connection to its server.
    """
    made = manifest.read(path)
    index.published.upload(path)

    def swap() -> bool:
        if not lock.is_held():
            raise PublisherBusy(f"the lock of the publisher of {index.directory} was lost; run the same command again")
        index.engines.promote(path.name)
        index.published.point(path.name)
        return True

    index.catalog.models.go_live(made.bundle, made.variant, swap, allow_missing, supply)


def prune_locked(index: Index, keep: int) -> list[str]:
    """Like `prune`, for a caller that holds the publisher's lock."""
    here = index.layout.names()
    names = sorted({*here, *index.published.names()})
    kept = {*names[-max(1, keep) :], index.layout.live()}
    old = [name for name in here if name not in kept]
    for name in old:
        _remove_atomically(index.layout.generations / name)
    stay = [name for name in names if name in kept]
    try:
        index.engines.sweep(stay, index.layout.live())
    except VectorsUnavailable as error:
        log.warning("what the removed generations have in Milvus is left to the next publisher: %s", error.message)
    _discard_unneeded(index, stay)
    return old


def clean(index: Index) -> None:
    """Remove incomplete files of killed publishers and writers. The caller must hold the publisher's lock.

    What other machines have published is live here afterwards. Raises ``VectorsUnavailable``, ``BlobsUnavailable``.
    """
    layout = index.layout
    index.published.follow(wait=True)
    index.engines.promote(layout.live())  # a killed publisher may have done half of it
    index.engines.sweep([*layout.names(), *index.published.names()], layout.live())
    _delete_paths(layout.generations.glob(".*"))
    _delete_paths(layout.bundles.glob(".*"))
    _delete_paths(layout.root.glob(f".{CURRENT}.*.tmp"))
    with index.blobs.sweep():
        index.blobs.store.clean()
    index.sweep()
    orphan_files.sweep(index)


def _discard_unneeded(index: Index, names: list[str]) -> None:
    known = (_manifest_of(index.layout, name) or index.published.manifest(name) for name in names)
    made = [described for described in known if described is not None]
    needed = {described.bundle for described in made}
    index.catalog.models.discard(horizon=min((described.sequence for described in made), default=0), keep=needed)
    needed |= {index.catalog.model(), index.catalog.models.coming() or ""}
    for path in index.layout.bundles.glob("[!.]*"):
        if path.name not in needed:
            _remove_atomically(path)
    index.published.prune(names, needed)


def _fetch(index: Index, to: str | None) -> None:
    """Fetch the generation to go back to, if another machine has published it."""
    index.published.follow(wait=True)
    live = index.layout.live()
    older = [name for name in index.published.names() if live is not None and name < live]
    wanted = to if to is not None else max(older, default=None)
    if wanted is not None and wanted in index.published.names():
        index.published.fetch(wanted)


def _remove_atomically(directory: Path) -> None:
    # Rename the directory first, so that a killed removal leaves nothing that looks complete.
    removed = directory.with_name(f".{directory.name}.gone")
    directory.rename(removed)
    durable.sync_directory(directory.parent)
    shutil.rmtree(removed)


def _manifest_of(layout: Layout, name: str) -> Manifest | None:
    try:
        return manifest.read(layout.generations / name)
    except IndexCorrupt:  # a damaged generation cannot become live, so nothing must be kept for it
        return None


def _delete_paths(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
