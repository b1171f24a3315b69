"""k-means over unit vectors, and cluster ids that survive a new run."""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
SAME = 0.5
"""Least cosine at which a new centroid may inherit the id of an old one."""


@dataclass(frozen=True)
class Clustering:
    """``centroids`` (K, D) unit rows; ``assignment`` (N,) row of the nearest; ``sizes`` (K,); ``similarity`` (N,)."""

    centroids: Float
    assignment: Ints
    sizes: Ints
    similarity: Float


def kmeans(vectors: Float, k: int, iterations: int = 20, seed: int = 0, spherical: bool = True) -> Clustering:
    """Cluster rows (N, D); ``spherical`` keeps centroids at length 1 and compares by cosine.

    k is cut to N. FAISS splits large clusters to refill empty ones; with many equal vectors some stay empty, and these
    are left out of the result, so that every cluster has a member.
    """
    k = min(k, len(vectors))
    if k == 0:
        none = np.empty(0, np.int64)
        return Clustering(np.empty((0, vectors.shape[1]), np.float32), none, none, np.empty(0, np.float32))
    rows = np.ascontiguousarray(vectors, np.float32)
    settings = {"niter": iterations, "seed": seed, "spherical": spherical, "min_points_per_centroid": 1}
    # k-means++ seeds: from random rows, three planted clusters in three were not found.
    settings["init_method"] = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
    trained = faiss.Kmeans(rows.shape[1], k, max_points_per_centroid=256, **settings)
    trained.train(rows)
    return assign(rows, _occupied(rows, trained.centroids, spherical), spherical)


def assign(vectors: Float, centroids: Float, spherical: bool = True) -> Clustering:
    """Each row (N, D) to its nearest of ``centroids`` (K, D)."""
    nearest = _nearest(vectors, centroids, spherical)
    sizes = np.bincount(nearest, minlength=len(centroids)).astype(np.int64)
    similarity = np.einsum("nd,nd->n", vectors, centroids[nearest]).astype(np.float32)
    return Clustering(centroids, nearest, sizes, similarity)


def match(old: Float, new: Float, old_ids: Ints, next_id: int) -> Ints:
    """Ids (K,) for the centroids ``new`` (K, D) that keep those of ``old`` (J, D) wherever a cluster lives on.

    Pairs are made one to one, the most similar first, down to a cosine of .5; the rest get fresh ids from ``next_id``
    on. Ids stay because people give clusters names.
    """
    ids = np.full(len(new), -1, np.int64)
    cosines = new @ old.T
    taken = np.zeros(len(old), bool)
    for flat in np.argsort(-cosines, axis=None, kind="stable"):
        row, column = divmod(int(flat), len(old))
        if cosines[row, column] < SAME:
            break
        if ids[row] < 0 and not taken[column]:
            ids[row] = old_ids[column]
            taken[column] = True
    fresh = ids < 0
    ids[fresh] = next_id + np.arange(fresh.sum())
    return ids


def _occupied(vectors: Float, centroids: Float, spherical: bool) -> Float:
    nearest = _nearest(vectors, centroids, spherical)
    return np.ascontiguousarray(centroids[np.unique(nearest)])


def _nearest(vectors: Float, centroids: Float, spherical: bool) -> Ints:
    if spherical:
        return exact(vectors, centroids, 1).ids[:, 0]
    _, ids = faiss.knn(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(centroids, np.float32), 1)
    return np.asarray(ids[:, 0], np.int64)
