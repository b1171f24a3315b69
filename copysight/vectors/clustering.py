"""Cluster unit vectors with k-means, and keep cluster ids stable between runs."""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
MIN_MATCH_COSINE = 0.5
"""A new centroid takes the id of an old one only if their cosine is at least this."""


@dataclass(frozen=True)
class Clustering:
    """``centroids`` (K, D), of length 1 if spherical; ``assignment`` (N,): the row of the nearest centroid.

    ``sizes`` (K,): number of members; ``similarity`` (N,): inner product of a vector and its centroid.
    """

    centroids: Float
    assignment: Ints
    sizes: Ints
    similarity: Float


def kmeans(vectors: Float, k: int, iterations: int = 20, seed: int = 0, spherical: bool = True) -> Clustering:
    """Cluster ``vectors`` (N, D). ``spherical`` keeps centroids at length 1 and compares by cosine.

    k is limited to N. FAISS splits large clusters to refill empty ones. With many equal vectors some clusters stay
    empty; they are left out of the result, so every cluster has a member.
    """
    k = min(k, len(vectors))
    if k == 0:
        empty = np.empty(0, np.int64)
        return Clustering(np.empty((0, vectors.shape[1]), np.float32), empty, empty, np.empty(0, np.float32))
    rows = np.ascontiguousarray(vectors, np.float32)
    settings = {"niter": iterations, "seed": seed, "spherical": spherical, "min_points_per_centroid": 1}
    # k-means++: with random initial rows, k-means with k = 3 did not find three planted clusters.
    settings["init_method"] = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
    index = faiss.Kmeans(rows.shape[1], k, max_points_per_centroid=256, **settings)
    index.train(rows)
    return assign(rows, _occupied(rows, index.centroids, spherical), spherical)


def assign(vectors: Float, centroids: Float, spherical: bool = True) -> Clustering:
    """Assign each of ``vectors`` (N, D) to the nearest of ``centroids`` (K, D)."""
    nearest = _nearest(vectors, centroids, spherical)
    sizes = np.bincount(nearest, minlength=len(centroids)).astype(np.int64)
    similarity = np.einsum("nd,nd->n", vectors, centroids[nearest]).astype(np.float32)
    return Clustering(centroids, nearest, sizes, similarity)


def match(old: Float, new: Float, old_ids: Ints, next_id: int) -> Ints:
    """Ids (K,) for the centroids ``new`` (K, D): a cluster that also exists in ``old`` (J, D) keeps its id.

    Centroids are paired one to one, the most similar first, down to a cosine of 0.5. The others get new ids, counted
    from ``next_id``. Ids are kept because users name clusters.
    """
    ids = np.full(len(new), -1, np.int64)
    cosines = new @ old.T
    taken = np.zeros(len(old), bool)
    for flat in np.argsort(-cosines, axis=None, kind="stable"):
        row, column = divmod(int(flat), len(old))
        if cosines[row, column] < MIN_MATCH_COSINE:
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
