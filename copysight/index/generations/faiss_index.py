"""FAISS: building an index of a chosen type, and asking it for candidates with parameters of the call's own."""

import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from copysight.index.generations.index_type import Choice
from copysight.system import durable

CHUNK = 65536
TRAINED_ON = 64  # vectors a list, at most

Floats = npt.NDArray[np.float32]


def build(choice: Choice, vectors: Floats, seed: int = 0) -> Any:
    """A trained and filled FAISS index of ``vectors (N,D)``, whose ids are their rows; None for ``flat``."""
    if choice.factory is None or not len(vectors):
        return None
    index = faiss.index_factory(vectors.shape[1], choice.factory, faiss.METRIC_INNER_PRODUCT)
    _train(index, choice, _sample(vectors, max(choice.lists * TRAINED_ON, CHUNK), seed), seed)
    for start in range(0, len(vectors), CHUNK):
        index.add(np.ascontiguousarray(vectors[start : start + CHUNK]))
    return index


def candidates(
    index: Any, choice: Choice, queries: Floats, count: int, visible: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.int64]:
    """Rows ``(B, count)`` of candidates for ``queries (B,D)``, -1 where there are fewer.

    ``visible`` is a bitmap of rows (least bit first) that may be found. Nothing is set on the shared index.
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
    except RuntimeError as error:  # FAISS's word for a short write
        raise OSError(f"FAISS could not write {path}: {error}") from error


def read(path: Path, rest: float = 0.0) -> Any:
    """Read a FAISS index whose checksum has been verified; ``rest`` seconds are slept before each block."""
    if not rest:
        return faiss.read_index(str(path))
    with path.open("rb", buffering=0) as file:

        def block(size: int) -> bytes:
            time.sleep(rest)
            return file.read(size)

        return faiss.read_index(faiss.BufferedIOReader(faiss.PyCallbackIOReader(block), durable.BLOCK))


def _train(index: Any, choice: Choice, sample: Floats, seed: int) -> None:
    if not choice.lists:
        index.train(sample)
        return
    inner = faiss.extract_index_ivf(index)
    inner.cp.seed = seed
    inner.cp.niter = 10
    inner.cp.min_points_per_centroid = 1
    inner.cp.max_points_per_centroid = TRAINED_ON
    clusterer = _on_gpus(sample.shape[1])  # FAISS holds no more than a pointer to it
    inner.clustering_index = clusterer
    index.train(sample)
    inner.clustering_index = None


def _on_gpus(dimension: int) -> Any:
    """What k-means finds its centroids with, where FAISS's GPU wheel and a GPU are there; None: the index itself."""
    if not getattr(faiss, "get_num_gpus", int)():
        return None
    return faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(dimension))


def _sample(vectors: Floats, most: int, seed: int) -> Floats:
    if len(vectors) <= most:
        return np.ascontiguousarray(vectors)
    rows = np.random.default_rng(seed).choice(len(vectors), most, replace=False)
    return np.ascontiguousarray(vectors[np.sort(rows)])
