"""Search the vectors of a generation in files: candidates by FAISS, or an exact scan where that costs less."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from copysight.index.generations.engines.engine import Floats, Found, Gathered, Parameters, Rows, Visible
from copysight.index.generations.engines.files import faiss_index
from copysight.index.generations.index_type import IndexType
from copysight.vectors import exact_search

GATHER_COST = 4  # copying a quarter of the rows takes as long as scanning all rows
GATHERED_BYTES = 16 * 2**20  # largest copy of vectors that is kept for many searches
MAX_WIDENING = 8  # maximum factor on the number of probes when a restriction excludes many rows
CANDIDATES_PER_RESULT = 2  # minimum number of scored candidates per requested result


@dataclass(frozen=True)
class FaissSearcher:
    """``vectors`` (N, D) float32, memory-mapped, and their FAISS ``index``; None for the type ``flat``."""

    index: Any
    vectors: Floats

    def search(
        self, queries: Floats, k: int, visible: Visible, choice: IndexType, parameters: Parameters
    ) -> Iterator[Found]:
        """Candidates by FAISS or by exact search, with their exact similarities."""
        for query, rows in zip(queries, self._candidates(queries, k, visible, choice, parameters), strict=True):
            yield Found(rows, exact_search.score(query, self.vectors[rows]))

    def gather(self, rows: Rows) -> Gathered:
        """The vectors of these rows."""
        return Gathered(rows, self.vectors[rows])

    def gathers(self, visible: Visible, choice: IndexType) -> bool:
        """Whether few rows are visible, and a copy of them is small."""
        is_few = self.index is None or visible.count <= choice.few
        size = visible.count * self.vectors.shape[1] * self.vectors.itemsize
        return is_few and GATHER_COST * visible.count <= len(self.vectors) and size <= GATHERED_BYTES

    def stored(self, rows: Rows) -> Floats:
        """The vectors of these rows."""
        return self.vectors[rows]

    def _candidates(
        self, queries: Floats, k: int, visible: Visible, choice: IndexType, parameters: Parameters
    ) -> Iterator[Rows]:
        choice = _adjusted(choice, parameters, visible.share)
        count = max(CANDIDATES_PER_RESULT * k, choice.candidates)
        few = visible.count <= choice.few and visible.count < visible.total
        if self.index is None or count >= visible.count or few:
            return self._exact(queries, k, visible)
        return self._approximate(queries, k, count, visible, choice)

    def _exact(self, queries: Floats, k: int, visible: Visible) -> Iterator[Rows]:
        allowed = visible.mask()
        if allowed is None or GATHER_COST * np.count_nonzero(allowed) > len(self.vectors):
            return exact_search.nearest(queries, self.vectors, k, allowed)
        rows = np.flatnonzero(allowed)
        return (rows[top] for top in exact_search.nearest(queries, self.vectors[rows], k))

    def _approximate(self, queries: Floats, k: int, count: int, visible: Visible, choice: IndexType) -> Iterator[Rows]:
        bitmap = None
        if visible.allowed is not None:
            bitmap = np.packbits(visible.allowed, bitorder="little")
        elif len(visible.tombstones.rows):
            bitmap = visible.tombstones.visible
        found = faiss_index.candidates(self.index, choice, queries, count, bitmap)
        for query, row in zip(queries, found, strict=True):
            rows = row[row >= 0]
            if len(rows) >= k:
                yield rows
            else:  # the probed lists have too few allowed rows
                yield from self._exact(query[None], k, visible)


def _adjusted(choice: IndexType, parameters: Parameters, share: float) -> IndexType:
    probes = parameters.probes or round(choice.probes * min(MAX_WIDENING, 1 / max(share, 1e-9)))
    return replace(
        choice,
        probes=min(choice.lists, max(1, probes)) if choice.lists else 0,
        effort=parameters.effort or choice.effort,
        candidates=parameters.candidates or choice.candidates,
    )
