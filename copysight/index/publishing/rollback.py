"""Generations over time: making one live, going back to an earlier one, letting old ones go."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from copysight.catalog import VectorSupply
from copysight.errors import IndexCorrupt, NoGeneration
from copysight.index.generations import manifest
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.generations.layout import CURRENT, Layout
from copysight.index.generations.manifest import Manifest
from copysight.index.generations.publisher_lock import publishing
from copysight.index.index import Index
from copysight.index.publishing import missing_vectors
from copysight.index.upkeep import orphan_files
from copysight.system import durable


def rollback(index: Index, to: str | None = None, supplier: Callable[[Manifest], VectorSupply] | None = None) -> Generation:
    """Make an earlier generation live again: ``to``, or the one before the live one.

    What was added or deleted since stays added or deleted. If the generation is of another model, ``supplier`` gives
    what makes its vectors for the items that came since. Raises ``PublisherBusy``, ``NoGeneration``, ``IndexCorrupt``
    (the generation is damaged), or ``BundleMismatch`` when items lack a vector of its model.
    """
    with publishing(index.layout):
        live = index.layout.live()
        there = [name for name in index.layout.names() if name != live]
        name = to if to is not None else max((name for name in there if name < (live or "")), default=None)
        if name is None or name not in there:
            raise NoGeneration(f"there is no generation {to or 'before the live one'}; there are {there or 'none'}")
        generation = open_generation(index.layout.generations / name)
        made, supply = generation.manifest, None
        if supplier is not None and made.bundle != index.catalog.model():
            supply = supplier(made)
            missing_vectors.work_off(index.catalog, made.bundle, supply)
        go_live(index, generation.path, supply=supply)
    index.reload()
    return generation


@dataclass(frozen=True)
class Kept:
    """A generation that is kept on disk; times in seconds since the epoch."""

    name: str
    count: int
    index_type: str
    recall: float
    built_at: float


def generations(index: Index) -> list[Kept]:
    """The generations that can be live, oldest first; one whose manifest cannot be read is left out."""
    found = ((name, _described(index.layout, name)) for name in index.layout.names())
    return [
        Kept(name, made.count, made.choice.kind, made.recall, made.built_at) for name, made in found if made is not None
    ]


def prune(index: Index, keep: int = 3) -> list[str]:
    """Remove all but the live and the ``keep`` latest generations; returns their names. Raises ``PublisherBusy``."""
    with publishing(index.layout):
        clean(index)
        return prune_locked(index, keep)


def go_live(index: Index, path: Path, allow_missing: bool = False, supply: VectorSupply | None = None) -> None:
    """Swap the pointer to a generation that stands whole on disk; the publisher's lock must be held."""
    made = manifest.read(path)

    def swap() -> bool:
        durable.write_file(index.layout.current, f"{path.name}\n".encode())
        return True

    index.catalog.models.go_live(made.bundle, made.variant, swap, allow_missing, supply)


def prune_locked(index: Index, keep: int) -> list[str]:
    """`prune`, for a publisher that holds the lock."""
    names = index.layout.names()
    kept = {*names[-max(1, keep) :], index.layout.live()}
    gone = [name for name in names if name not in kept]
    for name in gone:
        _let_go(index.layout.generations / name)
    _forget(index, sorted(set(names) - set(gone)))
    return gone


def clean(index: Index) -> None:
    """Remove what killed publishers and writers have left half done; the publisher's lock must be held."""
    layout = index.layout
    _remove(layout.generations.glob(".*"))
    _remove(layout.bundles.glob(".*"))
    _remove(layout.root.glob(f".{CURRENT}.*.tmp"))
    with index.blobs.sweep():
        _remove(layout.blobs.glob("??/.*.tmp"))
    index.sweep()
    orphan_files.sweep(index)


def _forget(index: Index, names: Iterable[str]) -> None:
    made = [described for name in names if (described := _described(index.layout, name)) is not None]
    needed = {described.bundle for described in made}
    index.catalog.models.discard(horizon=min((described.sequence for described in made), default=0), keep=needed)
    needed |= {index.catalog.model(), index.catalog.models.coming() or ""}
    for path in index.layout.bundles.glob("[!.]*"):
        if path.name not in needed:
            _let_go(path)


def _let_go(directory: Path) -> None:
    # Renamed first, so that a killed removal leaves nothing that looks whole.
    tombstones = directory.with_name(f".{directory.name}.gone")
    directory.rename(tombstones)
    durable.sync_directory(directory.parent)
    shutil.rmtree(tombstones)


def _described(layout: Layout, name: str) -> Manifest | None:
    try:
        return manifest.read(layout.generations / name)
    except IndexCorrupt:  # cannot serve, so needs nothing kept
        return None


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
