"""Search a generation in Milvus: it finds candidates, and each gets its exact score from the catalog's vector.

How a restriction is searched (measured with 50,000 x 256, HNSW with ef 128, Milvus 2.3.5): with the ids as a filter of
Milvus, recall@10 falls to 0.86 where a tenth is allowed, since its graph search passes over the others. Without a
filter, and with as many results more as the restriction takes away, it stays at 0.99 or more. A short list of ids is
searched exactly by Milvus itself, and a result costs about as much time as an id in the filter (10 us). So the
smaller of both is taken.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from copysight.index.generations.engines.engine import Floats, Found, Gathered, Ids, Parameters, Rows, Visible
from copysight.index.generations.engines.milvus.collection import MAX_RESULTS, Collection
from copysight.index.generations.index_type import IndexType
from copysight.vectors import exact_search

CANDIDATES_PER_RESULT = 2  # minimum number of scored candidates per requested result
SPARE = 1.25  # more results than the visible share says, since the nearest need not be visible in the same share
FEW = 256  # up to so many visible rows are read from the catalog and scanned: one query of it, none of Milvus
GATHERED = 2048  # largest number of vectors that are kept for many searches

Exact = Callable[[Ids], dict[int, Floats]]
"""The catalog's vectors (D,) by id; those of deleted items are absent."""


@dataclass(frozen=True)
class MilvusSearcher:
    """The vectors (N, D) of ``ids`` (N,), ascending, in a ``collection``; ``exact`` reads them from the catalog."""

    collection: Collection
    ids: Ids
    dimension: int
    exact: Exact

    def search(
        self, queries: Floats, k: int, visible: Visible, choice: IndexType, parameters: Parameters
    ) -> Iterator[Found]:
        """Candidates for each query, with their exact similarities."""
        choice = replace(
            choice,
            probes=min(choice.lists, parameters.probes or choice.probes),
            effort=parameters.effort or choice.effort,
            candidates=parameters.candidates or choice.candidates,
        )
        count = max(CANDIDATES_PER_RESULT * k, choice.candidates)
        if visible.count <= max(FEW, count):
            yield from self.gather(visible.rows()).search(queries, k)
            return
        candidates = self._candidates(queries, count, visible, choice)
        if any(len(rows) < k for rows in candidates):  # the graph, or the lists that were read, had no more
            yield from self.gather(visible.rows()).search(queries, k)
            return
        read = self.gather(np.unique(np.concatenate(candidates)))
        for query, rows in zip(queries, candidates, strict=True):
            places = np.searchsorted(read.rows, rows)
            yield Found(rows, exact_search.score(query, read.vectors[places]))

    def gather(self, rows: Rows) -> Gathered:
        """The catalog's vectors; of items that were deleted since, those in Milvus.

        An item that was replaced since has its new vector: the answer shows its new picture, too.
        """
        ids = self.ids[rows]
        known = self.exact(ids)
        there = np.fromiter((number in known for number in ids.tolist()), np.bool_, len(ids))
        vectors = np.empty((len(rows), self.dimension), np.float32)
        if there.any():
            vectors[there] = [known[number] for number in ids[there].tolist()]
        if not there.all():
            vectors[~there] = self.collection.vectors(ids[~there], self.dimension)
        return Gathered(rows, vectors)

    def gathers(self, visible: Visible, choice: IndexType) -> bool:
        """Whether so few vectors are visible that they are read again after each change of the index."""
        return visible.count <= GATHERED

    def stored(self, rows: Rows) -> Floats:
        """The vectors as Milvus has them."""
        return self.collection.vectors(self.ids[rows], self.dimension)

    def _candidates(self, queries: Floats, count: int, visible: Visible, choice: IndexType) -> list[Rows]:
        mask = visible.mask()
        width = count if mask is None else int(SPARE * count / visible.share)
        if mask is None or (width <= MAX_RESULTS and width <= visible.count):
            return [self._visible(ids, mask) for ids in self._nearest(queries, width, choice)]
        among = self.ids[visible.rows()]
        return [self._visible(ids, None) for ids in self._nearest(queries, count, choice, among)]

    def _nearest(self, queries: Floats, limit: int, choice: IndexType, among: Ids | None = None) -> list[Ids]:
        return self.collection.nearest(queries, min(limit, MAX_RESULTS), choice, among)

    def _visible(self, ids: Ids, mask: np.ndarray | None) -> Rows:
        rows = np.searchsorted(self.ids, ids)
        return rows if mask is None else rows[mask[rows]]
