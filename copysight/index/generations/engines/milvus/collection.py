"""One collection of Milvus: the vectors of one generation by the 64-bit ids of the catalog. It never changes."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.client.types import LoadState

from copysight.errors import VectorsUnavailable
from copysight.index.generations.engines.engine import Contents, Floats, Ids
from copysight.index.generations.engines.milvus.server import (
    ANSWER_SECONDS,
    SEARCH_SECONDS,
    CollectionMissing,
    NotLoaded,
    Server,
)
from copysight.index.generations.index_type import IndexType

MAX_RESULTS = 16_384
"""Most results of one search, a limit of Milvus."""
RESULTS_PER_CALL = 65_536
"""Results of all queries of one call: they take half a second."""
MAX_EFFORT = 32_768
BATCH_BYTES = 16 * 2**20
"""Vectors of one insert: a message may have 64 MB."""
RESULT_BYTES = 32 * 2**20
"""Vectors of one answer, for the same limit."""
FLUSH_SECONDS = 600.0
POLL_SECONDS = 0.2
LOAD_PATIENCE = 3.0
"""How long a search waits for a collection that was found not loaded, before it answers that."""
CONSISTENCY = "Session"
"""A sealed collection never changes, so any level sees all of it. Session lets its builder see what it has written,
and costs a reader nothing: 2.4 ms, as Bounded, where Strong waits 200 ms for the server's clock (Milvus 2.3.5)."""
CONSTRUCTION = 200
TYPES = {"flat": "FLAT", "hnsw": "HNSW", "ivf_sq8": "IVF_SQ8"}


class Collection:
    """The collection ``name`` on a server. All methods raise ``VectorsUnavailable``; any thread may call them."""

    def __init__(self, server: Server, name: str) -> None:
        self.name = name
        self._server = server

    def create(self, dimension: int) -> None:
        """Create it, empty."""
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        with self._server.asked() as client:
            client.create_collection(self.name, schema=schema, consistency_level=CONSISTENCY, timeout=ANSWER_SECONDS)

    def fill(self, contents: Contents) -> None:
        """Insert all vectors, in messages of 16 MB, and write them to the server's storage."""
        step = max(1, BATCH_BYTES // (4 * contents.vectors.shape[1]))
        for start in range(0, len(contents.ids), step):
            ids, vectors = contents.ids[start : start + step], contents.vectors[start : start + step]
            rows = [{"id": number, "vector": vector} for number, vector in zip(ids.tolist(), vectors, strict=True)]
            with self._server.asked() as client:
                client.insert(self.name, rows, timeout=FLUSH_SECONDS)
        with self._server.asked() as client:
            client.flush(self.name, timeout=FLUSH_SECONDS)

    def index(self, choice: IndexType, count: int) -> None:
        """Build the index, and wait until it holds ``count`` vectors."""
        parameters = MilvusClient.prepare_index_params()
        parameters.add_index("vector", index_type=TYPES[choice.kind], metric_type="IP", params=_building(choice))
        with self._server.asked() as client:
            client.create_index(self.name, parameters, timeout=ANSWER_SECONDS, sync=False)
        _until(lambda: self._is_indexed(count))

    def load(self) -> None:
        """Load it into the memory of the server, and wait until it is there."""
        self.begin_load()
        _until(self.is_loaded)

    def begin_load(self) -> None:
        """Ask the server to load it, without waiting."""
        with self._server.asked() as client:
            client.load_collection(self.name, timeout=ANSWER_SECONDS, _async=True)

    def is_loaded(self) -> bool:
        """Whether it is in the server's memory."""
        with self._server.asked() as client:
            return bool(client.get_load_state(self.name, timeout=ANSWER_SECONDS)["state"] == LoadState.Loaded)

    def release(self) -> None:
        """Free the server's memory. The collection stays, and can be loaded again."""
        with self._server.asked() as client:
            client.release_collection(self.name, timeout=ANSWER_SECONDS)

    def kind(self) -> str:
        """The type of its index, as Milvus calls it."""
        with self._server.asked() as client:
            return str(client.describe_index(self.name, "vector", timeout=ANSWER_SECONDS)["index_type"])

    def count(self) -> int | None:
        """The number of vectors in storage; None if the collection is not there."""
        try:
            with self._server.asked() as client:
                return int(client.get_collection_stats(self.name, timeout=ANSWER_SECONDS)["row_count"])
        except CollectionMissing:
            return None

    def counted(self) -> int:
        """The number of vectors that searches see, read with the strongest consistency. The collection is loaded."""
        with self._server.asked() as client:
            found = client.query(
                self.name,
                filter="",
                output_fields=["count(*)"],
                consistency_level="Strong",
                timeout=FLUSH_SECONDS,
            )
        return int(found[0]["count(*)"])

    def nearest(self, queries: Floats, limit: int, choice: IndexType, among: Ids | None = None) -> list[Ids]:
        """Ids of at most ``limit`` vectors for each of ``queries`` (B, D), the nearest first; all or ``among`` ids."""
        step = max(1, RESULTS_PER_CALL // limit)
        parts = (queries[start : start + step] for start in range(0, len(queries), step))
        return [ids for part in parts for ids in self._nearest(part, limit, choice, among)]

    def vectors(self, ids: Ids, dimension: int) -> Floats:
        """The stored vectors (M, D) of these ids. Raises ``VectorsUnavailable`` if one is not there."""
        made = np.empty((len(ids), dimension), np.float32)
        step = min(MAX_RESULTS, max(1, RESULT_BYTES // (4 * dimension)))
        for start in range(0, len(ids), step):
            part = ids[start : start + step]
            found = {row["id"]: row["vector"] for row in self._rows(part)}
            if len(found) != len(part):
                raise VectorsUnavailable(
                    f"Milvus lacks {len(part) - len(found)} of {len(part)} vectors of {self.name}; "
                    "run `copysight index rebuild`"
                )
            made[start : start + step] = [found[number] for number in part.tolist()]
        return made

    def drop(self) -> None:
        """Remove it, if it is there."""
        with self._server.asked() as client:
            client.drop_collection(self.name, timeout=FLUSH_SECONDS)

    def _nearest(self, queries: Floats, limit: int, choice: IndexType, among: Ids | None) -> list[Ids]:
        def search(client: MilvusClient) -> Any:
            return client.search(
                self.name,
                list(queries),
                filter="" if among is None else _one_of(among),
                limit=limit,
                output_fields=["id"],  # without it, milvus-lite sends the vectors
                search_params={"metric_type": "IP", "params": _searching(choice, limit)},
                consistency_level=CONSISTENCY,
                timeout=SEARCH_SECONDS,
            )

        found = self._loaded(search)
        return [np.fromiter((hit["id"] for hit in hits), np.int64, len(hits)) for hits in found]

    def _rows(self, ids: Ids) -> Sequence[Any]:
        def query(client: MilvusClient) -> Any:
            return client.query(
                self.name,
                filter=_one_of(ids),
                output_fields=["id", "vector"],
                consistency_level=CONSISTENCY,
                timeout=FLUSH_SECONDS,
            )

        rows: Sequence[Any] = self._loaded(query)
        return rows

    def _loaded(self, call: Callable[[MilvusClient], Any]) -> Any:
        """Call, and load the collection before a second call if the server has released it, as by a restart."""
        try:
            with self._server.asked() as client:
                return call(client)
        except NotLoaded:
            self.begin_load()
            until = time.monotonic() + LOAD_PATIENCE
            while not self.is_loaded() and time.monotonic() < until:
                time.sleep(POLL_SECONDS)
            with self._server.asked() as client:
                return call(client)

    def _is_indexed(self, count: int) -> bool:
        with self._server.asked() as client:
            found = client.describe_index(self.name, "vector", timeout=ANSWER_SECONDS)
        if found["state"] == "Failed":
            raise VectorsUnavailable(f"Milvus could not build the index of {self.name}; see the log of its server")
        return bool(found["state"] == "Finished" and found["indexed_rows"] >= count and not found["pending_index_rows"])


def names(server: Server, prefix: str) -> list[str]:
    """The collections of a server whose names begin with ``prefix``."""
    with server.asked() as client:
        return sorted(name for name in client.list_collections(timeout=ANSWER_SECONDS) if name.startswith(prefix))


def aliased(server: Server, alias: str) -> str | None:
    """The collection that an alias points to; None if there is no such alias."""
    try:
        with server.asked() as client:
            return str(client.describe_alias(alias, timeout=ANSWER_SECONDS)["collection_name"])
    except CollectionMissing:
        return None


def point(server: Server, alias: str, name: str) -> None:
    """Let an alias point to another collection, in one step."""
    known = aliased(server, alias)
    with server.asked() as client:
        if known is None:
            client.create_alias(name, alias, timeout=ANSWER_SECONDS)
        elif known != name:
            client.alter_alias(name, alias, timeout=ANSWER_SECONDS)


def remove_alias(server: Server, alias: str) -> None:
    """Remove an alias, if it is there."""
    if aliased(server, alias) is not None:
        with server.asked() as client:
            client.drop_alias(alias, timeout=ANSWER_SECONDS)


def _one_of(ids: Ids) -> str:
    return f"id in {ids.tolist()}"


def _building(choice: IndexType) -> dict[str, int]:
    return {
        "flat": {},
        "hnsw": {"M": choice.links, "efConstruction": CONSTRUCTION},
        "ivf_sq8": {"nlist": choice.lists},
    }[choice.kind]


def _searching(choice: IndexType, limit: int) -> dict[str, int]:
    return {
        "flat": {},
        "hnsw": {"ef": min(MAX_EFFORT, max(choice.effort, limit))},
        "ivf_sq8": {"nprobe": choice.probes},
    }[choice.kind]


def _until(is_done: Callable[[], bool]) -> None:
    for pause in _pauses():
        if is_done():
            return
        time.sleep(pause)


def _pauses() -> Iterator[float]:
    pause = 0.02
    while True:
        yield pause
        pause = min(1.0, pause * 1.5)
