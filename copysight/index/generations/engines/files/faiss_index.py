"""Build, search, write and read FAISS indexes. Search parameters are passed per call, never set on the index."""

import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from copysight.index.generations.index_type import IndexType
from copysight.system import durable

CHUNK = 65536
TRAINING_VECTORS_PER_LIST = 64  # maximum

Floats = npt.NDArray[np.float32]


def build(choice: IndexType, vectors: Floats, seed: int = 0) -> Any:
    """A trained FAISS index of ``vectors (N,D)``, whose ids are row numbers. None for the type ``flat``."""
    if choice.factory is None or not len(vectors):
        return None
    index = faiss.index_factory(vectors.shape[1], choice.factory, faiss.METRIC_INNER_PRODUCT)
    _train(index, choice, _sample(vectors, max(choice.lists * TRAINING_VECTORS_PER_LIST, CHUNK), seed), seed)
    for start in range(0, len(vectors), CHUNK):
        index.add(np.ascontiguousarray(vectors[start : start + CHUNK]))
    return index


def candidates(
    index: Any, choice: IndexType, queries: Floats, count: int, visible: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.int64]:
    """Rows ``(B, count)`` of candidates for ``queries (B,D)``, padded with -1.

    ``visible`` is a bitmap of the rows that may be found, least significant bit first. The shared index is not changed.
    """
    chosen = {} if visible is None else {"sel": faiss.IDSelectorBitmap(visible)}
    if choice.lists:
        parameters = faiss.SearchParametersIVF(nprobe=choice.probes, **chosen)
    elif choice.kind == "hnsw":
        parameters = faiss.SearchParametersHNSW(efSearch=max(choice.effort, count), **chosen)
    else:
        parameters = faiss.SearchParameters(**chosen)
    _, rows = index.search(queries, count, params=parameters)
    return np.asarray(rows, dtype=np.int64)


def write(index: Any, path: str) -> None:
    """Write a FAISS index to a file. Raises ``OSError``."""
    try:
        faiss.write_index(index, path)
    except RuntimeError as error:  # FAISS raises this for a short write
        raise OSError(f"FAISS could not write {path}: {error}") from error


def read(path: Path, pause: float = 0.0) -> Any:
    """Read a FAISS index whose checksum has been verified. Sleep ``pause`` seconds before each block."""
    if not pause:
        return faiss.read_index(str(path))
    with path.open("rb", buffering=0) as file:

        def block(size: int) -> bytes:
            time.sleep(pause)
            return file.read(size)

        return faiss.read_index(faiss.BufferedIOReader(faiss.PyCallbackIOReader(block), durable.BLOCK))


def _train(index: Any, choice: IndexType, sample: Floats, seed: int) -> None:
    if not choice.lists:
        index.train(sample)
        return
    inner = faiss.extract_index_ivf(index)
    inner.cp.seed = seed
    inner.cp.niter = 10
    inner.cp.min_points_per_centroid = 1
    inner.cp.max_points_per_centroid = TRAINING_VECTORS_PER_LIST
    clusterer = _gpu_quantizer(sample.shape[1])  # FAISS keeps only a pointer, so this variable must stay alive
    inner.clustering_index = clusterer
    index.train(sample)
    inner.clustering_index = None


def _gpu_quantizer(dimension: int) -> Any:
    """A GPU index that assigns vectors to centroids during k-means; None without FAISS's GPU wheel and a GPU."""
    if not getattr(faiss, "get_num_gpus", int)():
        return None
    return faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(dimension))


def _sample(vectors: Floats, most: int, seed: int) -> Floats:
    if len(vectors) <= most:
        return np.ascontiguousarray(vectors)
    rows = np.random.default_rng(seed).choice(len(vectors), most, replace=False)
    return np.ascontiguousarray(vectors[np.sort(rows)])
