"""Make the pseudo-labels of DeepCluster: PCA-whiten features, cluster them, and sample clusters uniformly."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import TooFewPictures

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
BLOCK = 8192
"""Rows that are compared with all centroids at a time. It limits the memory to BLOCK x K distances."""


def whiten(features: Float, dimensions: int) -> Float:
    """PCA-whiten centred features (N, D), then L2-normalise the rows: (N, dimensions) float32.

    The sign of each dimension is arbitrary (Caron et al. 2018, section 3.3). Raises ``TooFewPictures`` if the features
    span fewer than ``dimensions``.
    """
    x = features.astype(np.float64)
    x -= x.mean(axis=0)
    values, vectors = np.linalg.eigh(x.T @ x)
    values, vectors = values[::-1][:dimensions], vectors[:, ::-1][:, :dimensions]
    if len(values) < dimensions or values[-1] <= values[0] * 1e-12:
        raise TooFewPictures(
            f"got features ({len(x)}, {x.shape[1]}) that span fewer than {dimensions} dimensions; add pictures or "
            "lower the number of dimensions"
        )
    projected = x @ (vectors / np.sqrt(values))
    norms = np.linalg.norm(projected, axis=1, keepdims=True)
    unit: Float = (projected / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


@dataclass(frozen=True)
class Clusters:
    """``labels`` (N,) int64 of the nearest of ``centroids`` (K, D); some clusters may be empty."""

    labels: Ints
    centroids: Float


def kmeans(vectors: Float, k: int, iterations: int, rng: np.random.Generator) -> Clusters:
    """Euclidean k-means of rows (N, D) into ``k`` clusters; the initial centroids are ``k`` different rows.

    After each iteration an empty cluster takes half of a large one, as in FAISS, which DeepCluster uses. Raises
    ``TooFewPictures`` if there are fewer rows than clusters.
    """
    if k > len(vectors):
        raise TooFewPictures(f"got {len(vectors)} pictures for {k} clusters; lower the number of clusters")
    centroids = vectors[rng.choice(len(vectors), k, replace=False)].astype(np.float32)
    for _ in range(iterations):
        labels = _nearest(vectors, centroids)
        sums = np.zeros_like(centroids)
        np.add.at(sums, labels, vectors)
        counts = np.bincount(labels, minlength=k).astype(np.float64)
        centroids = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        _refill(centroids, counts, rng)
    return Clusters(_nearest(vectors, centroids), centroids)


def _nearest(vectors: Float, centroids: Float) -> Ints:
    lengths = np.einsum("kd,kd->k", centroids, centroids)
    blocks = [vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK)]
    return np.concatenate([np.argmin(lengths - 2 * (rows @ centroids.T), axis=1) for rows in blocks])


def _refill(centroids: Float, counts: npt.NDArray[np.float64], rng: np.random.Generator) -> None:
    """Split clusters until none is empty, in place. A cluster is chosen with probability ~ its size minus 1."""
    even = np.where(np.arange(centroids.shape[1]) % 2 == 0, 1, -1) / 1024
    for empty in np.flatnonzero(counts == 0):
        weight = np.maximum(counts - 1, 0)
        if not weight.any():
            return
        donor = rng.choice(len(counts), p=weight / weight.sum())
        centroids[empty] = centroids[donor] * (1 + even)
        centroids[donor] *= 1 - even
        counts[empty] = counts[donor] / 2
        counts[donor] /= 2


def uniform_order(assignment: Ints, rng: np.random.Generator) -> Ints:
    """N picture indices in random order, with the same number from every non-empty cluster of ``assignment`` (N,).

    Each cluster gives int(N / clusters) + 1 indices, with replacement only if the cluster is not larger than that. The
    result is shuffled and truncated to N (Caron et al. 2018, section 3.2).
    """
    members = _members(assignment)
    draws = len(assignment) // max(len(members), 1) + 1
    chosen = [rng.choice(rows, draws, replace=len(rows) <= draws) for rows in members]
    order: Ints = rng.permutation(np.concatenate([np.empty(0, np.int64), *chosen]))[: len(assignment)]
    return order


def _members(assignment: Ints) -> list[Ints]:
    order = np.argsort(assignment, kind="stable")
    starts = np.flatnonzero(np.diff(assignment[order])) + 1
    return np.split(order, starts) if len(order) else []
