"""Exact search in NumPy: which rows can be among the k nearest, and their similarities in double precision."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

ROWS = 65536  # of the database multiplied at a time
FEW_QUERIES = 8  # below, einsum reads memory twice as fast as OpenBLAS (1.35 against 2.8 ms for 20,000 x 384)
SCORES = 1 << 24  # similarities held at a time
MARGIN = 1e-5  # above the rounding of a float32 product of unit vectors, so that no tie is lost at the border


def nearest(queries: Floats, vectors: Floats, k: int, allowed: npt.NDArray[np.bool_] | None = None) -> Iterator[Rows]:
    """For each of ``queries (B,D)`` the rows of ``vectors (N,D)`` that can be among its k nearest, ties included.

    ``allowed (N,)`` restricts the rows. Rows come ascending; `score` gives their exact similarities.
    """
    batch = max(1, SCORES // max(1, len(vectors)))
    for start in range(0, len(queries), batch):
        scores = _products(queries[start : start + batch], vectors)
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        yield from (_top(row, k) for row in scores)


def score(query: Floats, vectors: Floats) -> Floats:
    """Cosines ``(n,)`` float32 of ``query (D,)`` to ``vectors (n,D)``, computed in float64.

    Doubles make equal vectors score equally and a vector score 1 against itself, whatever the order of summation; true
    norms are divided by because a unit vector in float32 is one only to seven digits.
    """
    wide = query.astype(np.float64)
    wide /= np.linalg.norm(wide)
    parts = [_cosines(wide, vectors[start : start + ROWS]) for start in range(0, len(vectors), ROWS)]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _cosines(wide: npt.NDArray[np.float64], vectors: Floats) -> Floats:
    rows = vectors.astype(np.float64)
    cosines = (rows @ wide) / np.sqrt(np.einsum("nd,nd->n", rows, rows))
    clipped: Floats = np.clip(cosines, -1, 1).astype(np.float32)
    return clipped


def _products(queries: Floats, vectors: Floats) -> Floats:
    if len(queries) < FEW_QUERIES:
        return np.stack([np.einsum("nd,d->n", vectors, query) for query in queries])
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    for start in range(0, len(vectors), ROWS):
        np.matmul(queries, vectors[start : start + ROWS].T, out=scores[:, start : start + ROWS])
    return scores


def _top(scores: Floats, k: int) -> Rows:
    if k < len(scores):
        border = np.partition(scores, len(scores) - k)[len(scores) - k]
        return np.flatnonzero((scores >= border - MARGIN) & (scores > -np.inf))
    return np.flatnonzero(scores > -np.inf)
