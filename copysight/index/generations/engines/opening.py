"""Which engine holds a generation, and which one takes new ones.

pymilvus is imported only for an index that needs it: it is an extra.
"""

from collections.abc import Callable
from typing import Any

from copysight.errors import IndexNotFound, InvalidArgument
from copysight.index.generations.engines.engine import Engine, Floats, Ids
from copysight.index.generations.engines.files.engine import FilesEngine
from copysight.index.generations.engines.milvus import address
from copysight.index.generations.engines.milvus.address import VARIABLE, Address
from copysight.index.generations.manifest import Manifest
from copysight.system.imports import extras

Vectors = Callable[[Ids, str], dict[int, Floats]]
"""The catalog's vectors (D,) of a model by the ids of items; those of deleted items are absent."""


class Engines:
    """The engines of one index: files, and the Milvus server of COPYSIGHT_VECTORS if that is set."""

    def __init__(self, identity: str, vectors: Vectors, server: Address | None) -> None:
        self._files = FilesEngine()
        self._milvus: Any = None if server is None else _milvus(server, identity, vectors)

    def of(self, made: Manifest) -> Engine:
        """The engine that holds a generation. Raises ``IndexNotFound`` if its server is not known."""
        if made.collection is None:
            return self._files
        if self._milvus is None:
            raise IndexNotFound(
                f"a generation of the index is in Milvus, as {made.collection}; set {VARIABLE} to the server's address"
            )
        engine: Engine = self._milvus
        return engine

    @property
    def files(self) -> Engine:
        """The engine of generations in files."""
        return self._files

    @property
    def milvus(self) -> Engine:
        """The engine of generations in Milvus. Raises ``InvalidArgument`` if COPYSIGHT_VECTORS names no server."""
        if self._milvus is None:
            raise InvalidArgument(f"no Milvus server is known; set {VARIABLE} to its address, http://HOST:PORT")
        engine: Engine = self._milvus
        return engine

    @property
    def for_new(self) -> Engine:
        """The engine that new generations are made in."""
        return self._files if self._milvus is None else self._milvus

    def promote(self, name: str | None) -> None:
        """Prepare all engines for the next live generation. Raises ``VectorsUnavailable``."""
        for engine in self._all():
            engine.promote(name)

    def drop(self, name: str) -> None:
        """Remove what any engine holds of a generation. Raises ``VectorsUnavailable``."""
        for engine in self._all():
            if name in engine.names():
                engine.drop(name)

    def sweep(self, kept: list[str], live: str | None) -> None:
        """Remove what engines hold of generations that are not ``kept``; free the memory of those not in use.

        Raises ``VectorsUnavailable``.
        """
        for engine in self._all():
            for name in set(engine.names()) - set(kept):
                engine.drop(name)
            engine.rest(live)

    def close(self) -> None:
        """Close the connections. A later call opens them again."""
        if self._milvus is not None:
            self._milvus.close()

    def _all(self) -> list[Engine]:
        return [self._files] if self._milvus is None else [self._files, self._milvus]


def _milvus(server: Address, identity: str, vectors: Vectors) -> Any:
    module = extras.load("copysight.index.generations.engines.milvus.engine", VARIABLE, "pymilvus", "milvus")
    return module.engine_of(server, identity, vectors)


def configured(identity: str, vectors: Vectors) -> Engines:
    """The engines of an index, with the server of COPYSIGHT_VECTORS. Raises ``InvalidArgument``."""
    return Engines(identity, vectors, address.configured())
