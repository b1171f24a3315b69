"""Cluster the vectors of a generation with k-means, and keep cluster ids stable over rebuilds."""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copysight.vectors import clustering

Ints = npt.NDArray[np.int64]
FILE = "clusters.npz"
MAX_CLUSTERS = 1024
ITERATIONS = 20
SAMPLES_PER_CLUSTER = 256  # k-means is fitted on at most this many vectors per cluster


@dataclass(frozen=True)
class Clusters:
    """``ids (K,)`` int64, ``centroids (K,D)`` float32 L2-normalised, ``sizes (K,)``, ``tightness (K,)``.

    ``tightness`` is the mean cosine of the members to their centroid; it is NaN in older generations, which did not
    store it. ``assignment (N,)`` int32 is the position in ``ids`` of each row's cluster. ``next_id`` is the first id
    that was never used.
    """

    ids: npt.NDArray[np.int64]
    centroids: npt.NDArray[np.float32]
    sizes: npt.NDArray[np.int64]
    tightness: npt.NDArray[np.float32]
    assignment: npt.NDArray[np.int32]
    next_id: int


def default_count(count: int) -> int:
    """Default number of clusters for N vectors: sqrt(N) / 2, at most 1024."""
    return max(1, min(MAX_CLUSTERS, round(sqrt(count) / 2)))


def make(vectors: npt.NDArray[np.float32], count: int, seed: int, previous: Clusters | None) -> Clusters:
    """Cluster ``vectors (N,D)`` into at most ``count`` clusters. A cluster that matches a previous one keeps its id."""
    count = min(count, len(vectors))
    if not count:
        return empty(vectors.shape[1], _next_id(previous))
    rows = np.arange(len(vectors))
    if len(rows) > count * SAMPLES_PER_CLUSTER:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), count * SAMPLES_PER_CLUSTER, replace=False))
    centroids = clustering.kmeans(np.asarray(vectors[rows]), count, ITERATIONS, seed).centroids
    assignment = nearest(vectors, centroids)
    sizes = np.bincount(assignment, minlength=len(centroids)).astype(np.int64)
    ids, tightness = _stable_ids(centroids, previous), _tightness(vectors, centroids, assignment, sizes)
    return Clusters(ids, centroids, sizes, tightness, assignment, max(_next_id(previous), int(ids.max()) + 1))


def empty(dimension: int, next_id: int = 0) -> Clusters:
    """No clusters."""
    nothing, none = np.empty(0, np.int64), np.empty(0, np.float32)
    return Clusters(nothing, np.empty((0, dimension), np.float32), nothing, none, np.empty(0, np.int32), next_id)


def nearest(vectors: npt.NDArray[np.float32], centroids: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """The row of the centroid with the largest cosine, ``(N,)``, for ``vectors (N,D)``."""
    parts = [np.argmax(vectors[i : i + 16384] @ centroids.T, axis=1) for i in range(0, len(vectors), 16384)]
    return np.concatenate(parts).astype(np.int32) if parts else np.empty(0, np.int32)


def moved(found: Clusters, rows: Ints, to: Ints, vectors: npt.NDArray[np.float32]) -> Clusters:
    """The clusters after the ``rows`` (M,) of a generation were moved ``to`` (M,) clusters, by id.

    ``vectors`` (M,D) are those of the rows. A cluster that the generation does not have is new: its centroid is the
    normalised mean of the vectors that were moved to it. Centroids and tightness of the others stay.
    """
    new = np.setdiff1d(to, found.ids)
    sums = np.stack([vectors[to == one].sum(axis=0) for one in new]) if len(new) else vectors[:0]
    centroids = (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    ids = np.concatenate([found.ids, new])
    order = np.argsort(ids)
    assignment = found.assignment.copy()
    assignment[rows] = order[np.searchsorted(ids, to, sorter=order)]
    sizes = np.bincount(assignment, minlength=len(ids)).astype(np.int64)
    tight = [np.mean(vectors[to == one] @ centroid) for one, centroid in zip(new, centroids, strict=True)]
    tightness = np.concatenate([found.tightness, np.array(tight, np.float32)])
    everything = np.concatenate([found.centroids, centroids])
    return Clusters(ids, everything, sizes, tightness, assignment, found.next_id)


def save(directory: Path, clusters: Clusters) -> None:
    """Write ``clusters.npz``."""
    np.savez(
        directory / FILE,
        ids=clusters.ids,
        centroids=clusters.centroids,
        sizes=clusters.sizes,
        tightness=clusters.tightness,
        assignment=clusters.assignment,
        next_id=clusters.next_id,
    )


def load(directory: Path) -> Clusters:
    """Read ``clusters.npz``; pickled objects are not allowed."""
    with np.load(directory / FILE, allow_pickle=False) as data:
        unknown = np.full(len(data["ids"]), np.nan, np.float32)
        tightness = data.get("tightness", unknown)
        arrays = (data["ids"], data["centroids"], data["sizes"], tightness, data["assignment"])
        return Clusters(*arrays, int(data["next_id"]))


def _tightness(
    vectors: npt.NDArray[np.float32],
    centroids: npt.NDArray[np.float32],
    assignment: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    sums = np.zeros(len(centroids))
    for start in range(0, len(vectors), 16384):
        near = assignment[start : start + 16384]
        cosines = np.einsum("nd,nd->n", vectors[start : start + 16384], centroids[near])
        sums += np.bincount(near, cosines, minlength=len(centroids))
    return (sums / np.maximum(sizes, 1)).astype(np.float32)


def _stable_ids(centroids: npt.NDArray[np.float32], previous: Clusters | None) -> npt.NDArray[np.int64]:
    if previous is None or not len(previous.ids):
        return np.arange(len(centroids), dtype=np.int64) + _next_id(previous)
    return clustering.match(previous.centroids, centroids, previous.ids, previous.next_id)


def _next_id(previous: Clusters | None) -> int:
    return 0 if previous is None else previous.next_id
