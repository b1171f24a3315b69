"""Generations in Milvus: a collection for each, and an alias that follows CURRENT."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from copysight.errors import IndexCorrupt, InvalidArgument, VectorsUnavailable
from copysight.index.generations import index_type
from copysight.index.generations.engines.engine import Contents, Floats, Ids, Searcher
from copysight.index.generations.engines.files.engine import VECTORS
from copysight.index.generations.engines.milvus import collection as collections
from copysight.index.generations.engines.milvus.address import Address
from copysight.index.generations.engines.milvus.collection import TYPES, Collection
from copysight.index.generations.engines.milvus.searcher import Exact, MilvusSearcher
from copysight.index.generations.engines.milvus.server import Server
from copysight.index.generations.index_type import IndexType
from copysight.index.generations.manifest import Manifest

log = logging.getLogger("copysight.vectors")
LINKS, EFFORT = 16, 128
SAMPLE = 64  # vectors of a new collection that are read back and compared
MAX_DIMENSION, MAX_LINKS, MAX_LISTS = 32_768, 2048, 65_536

Vectors = Callable[..., dict[int, Floats]]
"""Called with ids and ``model``: the catalog's vectors (D,) by id, without those of deleted items."""


def engine_of(address: Address, identity: str, vectors: Vectors) -> "MilvusEngine":
    """The engine of the catalog with this ``identity`` on a server, which need not answer yet."""
    return MilvusEngine(Server(address), identity, vectors)


class MilvusEngine:
    """The generations of one catalog, whose ``identity`` is part of all names, so that indexes can share a server.

    Searches name the collection and not the alias, so that a snapshot stays with its generation. The alias is for
    people and for the guard of `drop`: Milvus removes a collection that an alias points to without a word.
    """

    def __init__(self, server: Server, identity: str, vectors: Vectors) -> None:
        self._server, self._vectors = server, vectors
        self._prefix = f"copysight_{identity}_"
        self._alias = f"{self._prefix}live"

    def choose(self, count: int, dimension: int) -> IndexType:
        """Exact search for few vectors; a graph; from some millions on, an inverted file that needs less memory."""
        kind = index_type.choose(count, dimension).kind
        if kind == "ivf_rabitq":
            return index_type.default_index_type("ivf_sq8", count)
        return IndexType("flat") if kind == "flat" else IndexType("hnsw", links=LINKS, effort=EFFORT)

    def check(self, choice: IndexType, dimension: int) -> None:
        """Raise ``InvalidArgument`` for what this engine does not use: servers differ in what they silently accept."""
        if choice.kind not in TYPES:
            raise InvalidArgument(f"got the index type {choice.kind!r}; in Milvus it must be one of {', '.join(TYPES)}")
        if choice.kind == "hnsw" and not 2 <= choice.links <= MAX_LINKS:
            raise InvalidArgument(f"got {choice.links} links for hnsw; Milvus takes 2 to {MAX_LINKS}")
        if choice.kind == "ivf_sq8" and not 1 <= choice.probes <= choice.lists <= MAX_LISTS:
            raise InvalidArgument(
                f"got {choice.probes} probes of {choice.lists} lists for ivf_sq8; Milvus takes 1 to {MAX_LISTS} lists, "
                "and no more probes than lists"
            )
        if not 2 <= dimension <= MAX_DIMENSION:
            raise InvalidArgument(f"got vectors of {dimension} numbers; Milvus takes 2 to {MAX_DIMENSION}")

    def build(self, directory: Path, name: str, contents: Contents, choice: IndexType, seed: int) -> Searcher:
        """Create, fill, index and load a collection, and compare it with its contents."""
        made = self._collection(name)
        if len(contents.ids):
            made.drop()  # what a killed publisher has left
            made.create(contents.vectors.shape[1])
            made.fill(contents)
            made.index(choice, len(contents.ids))
            made.load()
            _compare(made, contents, choice, seed)
        return MilvusSearcher(made, contents.ids, contents.vectors.shape[1], _of_contents(contents))

    def seal(self, directory: Path, name: str) -> str:
        """Remove the file of the vectors: they are in Milvus and in the catalog."""
        (directory / VECTORS).unlink()
        return self._prefix + name

    def open(self, path: Path, name: str, made: Manifest, ids: Ids, pause: float) -> Searcher:
        """Open a collection, and ask the server to load it. Raises ``IndexCorrupt`` if it is not there.

        A server that does not answer is no fault of the generation: its searches then raise ``VectorsUnavailable``.
        """
        if made.collection != self._prefix + name:
            raise IndexCorrupt(
                f"{path} is in Milvus as {made.collection}, which belongs to another index; "
                "run `copysight index rebuild`",
                generation=name,
            )
        held = self._collection(name)
        if len(ids):
            try:
                self._check(path, held, len(ids))
            except VectorsUnavailable as error:
                log.warning("%s is opened while Milvus cannot be asked: %s", path, error.message)
        return MilvusSearcher(held, ids, made.dimension, partial(self._vectors, model=made.bundle))

    def promote(self, name: str | None) -> None:
        """Let the alias point to the generation; without one in Milvus, remove the alias."""
        if name is not None and name in self.names():
            collections.point(self._server, self._alias, self._prefix + name)
        else:
            collections.remove_alias(self._server, self._alias)

    def current(self) -> str | None:
        """The generation that the alias points to."""
        found = collections.aliased(self._server, self._alias)
        return None if found is None else found.removeprefix(self._prefix)

    def drop(self, name: str) -> None:
        """Remove the collection of a generation. Raises ``InvalidArgument`` for the one that the alias points to."""
        if self.current() == name:
            raise InvalidArgument(f"generation {name} is live; make another one live before this one is removed")
        self._collection(name).drop()

    def rest(self, live: str | None) -> None:
        """Release all collections but the live one and the one before, which servers may still be using."""
        names = self.names()
        before = max((name for name in names if name < (live or "")), default=None)
        for name in names:
            if name not in {live, before}:
                self._collection(name).release()

    def names(self) -> list[str]:
        """The generations of this catalog that have a collection."""
        found = (name.removeprefix(self._prefix) for name in collections.names(self._server, self._prefix))
        return [name for name in found if name.isdigit()]

    def health(self) -> str | None:
        """Why the server cannot answer now; None if it can."""
        try:
            self.names()
        except VectorsUnavailable as error:
            return error.message
        return None

    def close(self) -> None:
        """Close the connection to the server. A later call opens it again."""
        self._server.close()

    def _collection(self, name: str) -> Collection:
        return Collection(self._server, self._prefix + name)

    def _check(self, path: Path, held: Collection, count: int) -> None:
        found = held.count()
        if found != count:
            has = "is not there" if found is None else f"has {found:,} vectors and not {count:,}"
            raise IndexCorrupt(
                f"the collection {held.name} of {path} {has} in Milvus; run `copysight index rebuild`",
                generation=path.name,
            )
        if not held.is_loaded():
            held.begin_load()


def _of_contents(contents: Contents) -> Exact:
    def exact(ids: Ids) -> dict[int, np.ndarray]:
        rows = np.searchsorted(contents.ids, ids)
        return dict(zip(ids.tolist(), contents.vectors[rows], strict=True))

    return exact


def _compare(made: Collection, contents: Contents, choice: IndexType, seed: int) -> None:
    """Raise ``VectorsUnavailable`` if the server has built something else than was asked for."""
    rows = np.random.default_rng(seed).choice(len(contents.ids), min(SAMPLE, len(contents.ids)), replace=False)
    rows = np.sort(rows)
    if made.kind() != TYPES[choice.kind]:
        raise VectorsUnavailable(f"Milvus has built an index {made.kind()} and not {TYPES[choice.kind]} in {made.name}")
    if (count := made.counted()) != len(contents.ids):
        raise VectorsUnavailable(f"Milvus finds {count:,} of {len(contents.ids):,} vectors in {made.name}")
    if not np.array_equal(made.vectors(contents.ids[rows], contents.vectors.shape[1]), contents.vectors[rows]):
        raise VectorsUnavailable(f"Milvus has changed vectors in {made.name}")
