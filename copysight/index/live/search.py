"""Find candidate rows in the generation and in the delta, and sort scored matches in a stable order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.index.generations import faiss_index
from copysight.index.generations.generation import Generation
from copysight.index.generations.index_type import IndexType
from copysight.index.live import exact_search
from copysight.index.live.delta import Delta
from copysight.index.live.tombstones import Tombstones

GATHER_COST = 4  # copying a quarter of the rows takes as long as scanning all rows
MAX_WIDENING = 8  # maximum factor on the number of probes when a restriction excludes many rows
GATHERED_BYTES = 16 * 2**20  # largest copy of vectors that is kept for a restriction
CANDIDATES_PER_RESULT = 2  # minimum number of scored candidates per requested result

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """An item and its cosine to the query, exact to float32."""

    id: int
    similarity: float


@dataclass(frozen=True)
class Parameters:
    """Search parameters of one call; None uses the value of the generation."""

    probes: int | None = None
    effort: int | None = None
    candidates: int | None = None


@dataclass(frozen=True)
class Gathered:
    """Few ``rows`` (M,) of many, ascending, with a copy of their ``vectors`` (M, D) that many searches use."""

    rows: Rows
    vectors: Floats

    @classmethod
    def of(cls, vectors: Floats, allowed: Mask) -> "Gathered | None":
        """The ``allowed`` rows of ``vectors`` (N, D); None if a scan of all costs less, or the copy is too large."""
        count = int(np.count_nonzero(allowed))
        if GATHER_COST * count > len(vectors) or count * vectors.shape[1] * vectors.itemsize > GATHERED_BYTES:
            return None
        rows = np.flatnonzero(allowed)
        return cls(rows, vectors[rows])

    def nearest(self, queries: Floats, k: int) -> Iterator[Rows]:
        """The rows that can be among the k nearest to each of ``queries`` (B, D)."""
        return (self.rows[top] for top in exact_search.nearest(queries, self.vectors, k))


@dataclass(frozen=True)
class Restriction:
    """Rows that a collection or a filter allows: one mask over the generation's rows, one over the delta's rows.

    ``few_in_generation``, ``few_in_delta``: the same rows with their vectors, if they were gathered; exact search in
    them replaces the search by the mask.
    """

    generation: Mask
    delta: Mask
    few_in_generation: Gathered | None = None
    few_in_delta: Gathered | None = None


def normalised(queries: npt.NDArray[np.floating], dimension: int) -> Floats:
    """L2-normalise ``queries (B, D)`` to float32. Raises ``InvalidArgument`` for other shapes, zero vectors and NaN."""
    array = np.asarray(queries, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != dimension:
        raise InvalidArgument(f"got queries of shape {array.shape}; the bundle needs vectors of shape (B, {dimension})")
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.all(np.isfinite(norms) & (norms > 0)):
        raise InvalidArgument("got a query vector that is zero or not finite; send finite, non-zero vectors")
    unit: Floats = (array / norms).astype(np.float32)
    return unit


def in_generation(
    generation: Generation,
    tombstones: Tombstones,
    queries: Floats,
    k: int,
    allowed: Mask | None,
    parameters: Parameters,
) -> Iterator[Rows]:
    """Candidate rows of the generation for each of ``queries (B, D)``, by index or by exact search."""
    visible = len(generation) - len(tombstones.rows)
    if allowed is not None:
        allowed = tombstones.exclude_from(allowed)
        visible = int(np.count_nonzero(allowed))
    choice = _adjusted(generation.manifest.choice, parameters, visible / max(1, len(generation)))
    count = max(CANDIDATES_PER_RESULT * k, choice.candidates)
    few = visible <= choice.few and visible < len(generation)
    if generation.faiss is None or count >= visible or few:
        return _exact(generation, tombstones, queries, k, allowed)
    return _approximate(generation, tombstones, choice, queries, k, count, allowed)


def in_delta(delta: Delta, queries: Floats, k: int, allowed: Mask | None) -> Iterator[Rows]:
    """Candidate rows of the delta for each of ``queries (B, D)``, by exact search."""
    alive = delta.alive if allowed is None else delta.alive & allowed
    return exact_search.nearest(queries, delta.vectors, k, None if alive.all() else alive)


def top_k(ids: npt.NDArray[np.int64], similarities: Floats, k: int) -> list[Match]:
    """The k best matches, by descending similarity, then by ascending id."""
    order = np.lexsort((ids, -similarities))[:k]
    return [Match(*pair) for pair in zip(ids[order].tolist(), similarities[order].tolist(), strict=True)]


def _exact(
    generation: Generation, tombstones: Tombstones, queries: Floats, k: int, allowed: Mask | None
) -> Iterator[Rows]:
    if allowed is None and len(tombstones.rows):
        allowed = tombstones.exclude_from(np.ones(len(generation), np.bool_))
    if allowed is None or GATHER_COST * np.count_nonzero(allowed) > len(generation):
        return exact_search.nearest(queries, generation.vectors, k, allowed)
    rows = np.flatnonzero(allowed)
    return (rows[top] for top in exact_search.nearest(queries, generation.vectors[rows], k))


def _approximate(
    generation: Generation,
    tombstones: Tombstones,
    choice: IndexType,
    queries: Floats,
    k: int,
    count: int,
    allowed: Mask | None,
) -> Iterator[Rows]:
    bitmap = None
    if allowed is not None:
        bitmap = np.packbits(allowed, bitorder="little")
    elif len(tombstones.rows):
        bitmap = tombstones.visible
    found = faiss_index.candidates(generation.faiss, choice, queries, count, bitmap)
    for query, row in zip(queries, found, strict=True):
        rows = row[row >= 0]
        if len(rows) >= k:
            yield rows
        else:  # the probed lists have too few allowed rows
            yield from _exact(generation, tombstones, query[None], k, allowed)


def _adjusted(choice: IndexType, parameters: Parameters, share: float) -> IndexType:
    probes = parameters.probes or round(choice.probes * min(MAX_WIDENING, 1 / max(share, 1e-9)))
    return replace(
        choice,
        probes=min(choice.lists, max(1, probes)) if choice.lists else 0,
        effort=parameters.effort or choice.effort,
        candidates=parameters.candidates or choice.candidates,
    )
