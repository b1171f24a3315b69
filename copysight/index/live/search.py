"""Restrictions, queries and matches of a search in the generation and in the delta."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.index.generations.engines.engine import Floats, Found, Gathered, Mask, Parameters
from copysight.index.live.delta import Delta
from copysight.vectors import exact_search

__all__ = ["Match", "Parameters", "Restriction", "in_delta", "normalised", "top_k"]

GATHER_COST = 4  # copying a quarter of the rows takes as long as scanning all rows
GATHERED_BYTES = 16 * 2**20  # largest copy of vectors of the delta that is kept for a restriction


@dataclass(frozen=True)
class Match:
    """An item and its cosine to the query, exact to float32."""

    id: int
    similarity: float


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


def gathered_in_delta(delta: Delta, allowed: Mask) -> Gathered | None:
    """The ``allowed`` valid rows of the delta; None if a scan of all costs less, or the copy is too large."""
    rows = np.flatnonzero(delta.alive & allowed)
    size = len(rows) * delta.vectors.shape[1] * delta.vectors.itemsize
    return (
        None if GATHER_COST * len(rows) > delta.size or size > GATHERED_BYTES else Gathered(rows, delta.vectors[rows])
    )


def in_delta(delta: Delta, queries: Floats, k: int, allowed: Mask | None) -> Iterator[Found]:
    """Candidate rows of the delta for each of ``queries (B, D)``, by exact search."""
    alive = delta.alive if allowed is None else delta.alive & allowed
    for query, rows in zip(
        queries, exact_search.nearest(queries, delta.vectors, k, None if alive.all() else alive), strict=True
    ):
        yield Found(rows, exact_search.score(query, delta.vectors[rows]))


def top_k(ids: npt.NDArray[np.int64], similarities: Floats, k: int) -> list[Match]:
    """The k best matches, by descending similarity, then by ascending id."""
    order = np.lexsort((ids, -similarities))[:k]
    return [Match(*pair) for pair in zip(ids[order].tolist(), similarities[order].tolist(), strict=True)]
