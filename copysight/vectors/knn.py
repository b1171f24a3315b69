"""Find exact nearest neighbours, and classify by their weighted vote."""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from copysight.errors import InvalidArgument

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """``ids`` (Q, k): rows of the database; ``similarities`` (Q, k): their inner products, the largest first."""

    ids: Ints
    similarities: Float


def exact(queries: Float, database: Float, k: int) -> Neighbours:
    """The k rows of ``database`` (N, D) with the largest inner product to each of ``queries`` (Q, D).

    k is limited to N. FAISS multiplies in blocks, so the (Q, N) matrix is never in memory.
    """
    k = int(min(k, len(database)))
    if k == 0 or len(queries) == 0:
        return Neighbours(np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32))
    similarities, ids = faiss.knn(
        np.ascontiguousarray(queries, np.float32),
        np.ascontiguousarray(database, np.float32),
        k,
        metric=faiss.METRIC_INNER_PRODUCT,
    )
    return Neighbours(ids.astype(np.int64), similarities)


def vote(neighbours: Neighbours, labels: Ints, classes: int, k: int, temperature: float = 0.07) -> Float:
    """Scores (Q, classes): each of the k nearest neighbours adds exp(similarity / temperature) to its class.

    ``labels`` (N,) are the classes of the database rows. Scores are not normalised (Wu et al. 2018, section 3.4, as in
    DINO's evaluation).
    Raises ``InvalidArgument`` if fewer than k neighbours are given.
    """
    if k > neighbours.ids.shape[1]:
        raise InvalidArgument(f"got {neighbours.ids.shape[1]} neighbours; a vote with k = {k} needs {k}; lower k")
    # Relative to the best neighbour of each query: the order of classes stays the same, and exp cannot overflow.
    near = neighbours.similarities[:, :k]
    weights = np.exp((near - near[:, :1]) / np.float32(temperature))
    scores = np.zeros((len(near), classes), np.float32)
    np.add.at(scores, (np.arange(len(near))[:, None], labels[neighbours.ids[:, :k]]), weights)
    return scores


def accuracy(scores: Float, labels: Ints, top: int = 1) -> float:
    """Share of rows of ``scores`` (Q, classes) whose true class is in the ``top`` best; in ties lower classes win."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return float((best == labels[:, None]).any(axis=1).mean())


def limit_threads(count: int) -> None:
    """Set the number of threads of each FAISS call and of each matrix product, for the whole process."""
    faiss.omp_set_num_threads(count)
    threadpool_limits(count, user_api="blas")
