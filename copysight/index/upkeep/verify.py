"""Verify an index: check the catalog, the checksums of all files, and the live generation against the catalog."""

from collections.abc import Iterator

import numpy as np

from copysight.catalog import Vectors
from copysight.errors import IndexCorrupt, IndexNotFound
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.index import Index
from copysight.index.upkeep import item_files
from copysight.index.upkeep.orphan_files import find_orphans

MAX_NAMED = 3


def verify(index: Index) -> list[str]:
    """The faults of an index, one sentence each; empty if there are none. Reads every file once, changes nothing.

    Items whose files are gone come last. Raises ``IndexCorrupt`` if the catalog cannot be read at all.
    """
    return [*damage(index), *item_files.faults(index.catalog, index.blobs)]


def damage(index: Index) -> list[str]:
    """The faults of the files that are there, without those that are missing."""
    return [*index.catalog.faults(), *_generations(index), *_blobs(index)]


def remarks(index: Index) -> list[str]:
    """Remarks that are not faults: orphan files, items that no search finds, and files that need not be there."""
    found = []
    if orphans := find_orphans(index):
        found.append(
            f"the files of {len(orphans):,} pictures belong to no item (a writer was killed before it added them); "
            "the next rebuild or `copysight index prune` removes them"
        )
    if count := index.catalog.missing_count(index.catalog.model()):
        named = index.catalog.missing(index.catalog.model(), MAX_NAMED)
        names = ", ".join(repr(item.key) for item in named) + ", …" * (count > MAX_NAMED)
        found.append(
            f"{count:,} items have no vector of the live bundle, so no search finds them ({names}); a rebuild with "
            "--allow-missing left them out; add their pictures again, or remove the items"
        )
    return found + item_files.remarks(index.catalog, index.blobs)


def _generations(index: Index) -> Iterator[str]:
    live = index.layout.live()
    if live is not None and live not in index.layout.names():
        yield f"the live generation {live!r} does not exist"
    for name in index.layout.names():
        try:
            generation = open_generation(index.layout.generations / name, index.engines)
        except (IndexCorrupt, IndexNotFound) as error:
            yield error.message
            continue
        if name == live:
            yield from _compare_with_catalog(index, generation)


def _compare_with_catalog(index: Index, generation: Generation) -> Iterator[str]:
    """Compare the vectors of the generation with those of the catalog, bit for bit, except replaced ones."""
    for item in index.catalog.missing(generation.manifest.bundle):
        if len(generation.rows(np.asarray([item.id]))):
            yield f"item {item.id} ({item.key!r}) has no vector in the catalog, but the generation has one"
    since = index.catalog.changes(generation.manifest.sequence, generation.manifest.bundle)
    for part in index.catalog.stream(generation.manifest.bundle):
        if not isinstance(part, Vectors):
            continue
        old = ~np.isin(part.ids, since.placed.ids)
        ids, vectors = part.ids[old], part.vectors[old]
        rows = generation.rows(ids)
        if len(rows) != len(ids):
            yield f"generation {generation.name} does not contain {len(ids) - len(rows)} items that it should contain"
        elif len(rows) and not np.array_equal(generation.searcher.stored(rows), vectors):
            yield f"generation {generation.name} differs from the catalog in the items {ids[0]} to {ids[-1]}"


def _blobs(index: Index) -> Iterator[str]:
    for sha256 in index.blobs.damaged():
        yield f"the content of the original {sha256} does not have this sha256"
