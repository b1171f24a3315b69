"""Find for each of many vectors its nearest others: exactly, or through an inverted file if there are very many."""

from collections.abc import Iterator

import faiss
import numpy as np
import numpy.typing as npt

from copysight.vectors.knn import Neighbours, exact

Float = npt.NDArray[np.float32]

EXACT = 50_000
"""Rows of the database up to which the join is exact. It takes 20 s on two cores, and grows with the square."""
BLOCK = 8192
"""Queries at a time."""
LISTS_PER_ROOT, PROBED = 4, 64
"""Lists of the inverted file: four times the square root of N; a query reads this many of them."""
TRAINED = 64
"""Rows per list that the lists are trained on."""


def neighbours(queries: Float, database: Float, k: int, exact_up_to: int = EXACT) -> Iterator[Neighbours]:
    """The k nearest rows of ``database`` (N, D), for blocks of ``queries`` (Q, D), in their order.

    Rows are L2-normalised. Rows that an inverted file does not find have the id -1.
    """
    index = None if len(database) <= exact_up_to else _inverted_file(database)
    for start in range(0, len(queries), BLOCK):
        block = np.ascontiguousarray(queries[start : start + BLOCK], np.float32)
        if index is None:
            yield exact(block, database, k)
        else:
            similarities, ids = index.search(block, k)
            yield Neighbours(ids.astype(np.int64), similarities)


def _inverted_file(database: Float) -> faiss.IndexIVFFlat:
    count, dimension = database.shape
    lists = int(LISTS_PER_ROOT * np.sqrt(count))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimension), dimension, lists, faiss.METRIC_INNER_PRODUCT)
    rows = np.linspace(0, count - 1, min(count, TRAINED * lists)).astype(np.int64)
    index.cp.niter = 6  # the lists need not be good clusters
    index.train(np.ascontiguousarray(database[rows], np.float32))
    for start in range(0, count, 8 * BLOCK):
        index.add(np.ascontiguousarray(database[start : start + 8 * BLOCK], np.float32))
    index.nprobe = min(PROBED, lists)
    return index
