"""The integrity check: everything that is stored against everything that it must agree with."""

import hashlib
from collections.abc import Iterator

import numpy as np

from copysight.catalog import Vectors
from copysight.errors import IndexCorrupt
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.index import Index
from copysight.index.upkeep.orphan_files import find_orphans

NAMED = 3


def verify(index: Index) -> list[str]:
    """Faults of an index, a sentence each; empty when all is well. Reads every file once, changes nothing.

    Raises ``IndexCorrupt`` when the catalog cannot be read at all.
    """
    return [*index.catalog.faults(), *_generations(index), *_blobs(index)]


def remarks(index: Index) -> list[str]:
    """What is no fault, but good to know: files that nobody needs, items that no search finds."""
    found = []
    if stray := find_orphans(index):
        found.append(
            f"the files of {len(stray):,} pictures belong to no item (a writer was killed before it could name them); "
            "the next rebuild or `copysight index prune` removes them"
        )
    if count := index.catalog.missing_count(index.catalog.model()):
        named = index.catalog.missing(index.catalog.model(), NAMED)
        names = ", ".join(repr(item.key) for item in named) + ", …" * (count > NAMED)
        found.append(
            f"{count:,} items have no vector of the live bundle, so no search finds them ({names}); they were "
            "left out by --allow-missing; add their pictures again, or remove them"
        )
    return found


def _generations(index: Index) -> Iterator[str]:
    live = index.layout.live()
    if live is not None and live not in index.layout.names():
        yield f"the live generation {live!r} is not there"
    for name in index.layout.names():
        try:
            generation = open_generation(index.layout.generations / name)
        except IndexCorrupt as error:
            yield error.message
            continue
        if name == live:
            yield from _against_catalog(index, generation)


def _against_catalog(index: Index, generation: Generation) -> Iterator[str]:
    """Each vector of the generation that has not been replaced since is the catalog's, bit for bit."""
    for item in index.catalog.missing(generation.manifest.bundle):
        if len(generation.rows(np.asarray([item.id]))):
            yield f"item {item.id} ({item.key!r}) has no vector in the catalog, though the generation has one"
    since = index.catalog.changes(generation.manifest.sequence, generation.manifest.bundle)
    for part in index.catalog.stream(generation.manifest.bundle):
        if not isinstance(part, Vectors):
            continue
        old = ~np.isin(part.ids, since.placed.ids)
        ids, vectors = part.ids[old], part.vectors[old]
        rows = generation.rows(ids)
        if len(rows) != len(ids):
            yield f"generation {generation.name} lacks {len(ids) - len(rows)} items that it should cover"
        elif len(rows) and not np.array_equal(generation.vectors[rows], vectors):
            yield f"generation {generation.name} differs from the catalog among the items {ids[0]} to {ids[-1]}"


def _blobs(index: Index) -> Iterator[str]:
    for sha256 in index.blobs.names():
        data = index.blobs.original(sha256)
        if data is not None and hashlib.sha256(data).hexdigest() != sha256:
            yield f"the original {sha256} differs from its name"
