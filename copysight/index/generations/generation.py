"""A generation: an immutable directory with the vectors, FAISS index, clusters and calibration of one build."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.errors import IndexCorrupt
from copysight.index.generations import clusters, faiss_index, manifest
from copysight.index.generations.clusters import Clusters
from copysight.index.generations.manifest import Manifest

VECTORS = "vectors.f32"
IDS = "ids.i64"
CODES = "collections.i32"
FAISS = "vectors.faiss"
CALIBRATION = "calibration.json"


@dataclass(frozen=True)
class Generation:
    """An open generation. It is never changed. Its rows are ordered by item id.

    ``ids (N,)`` int64; ``vectors (N,D)`` float32, memory-mapped; ``codes (N,)`` int32 are positions in
    ``manifest.collections``. ``faiss`` is None for the type ``flat``, which scans ``vectors``.
    """

    name: str
    path: Path
    manifest: Manifest
    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    faiss: Any
    clusters: Clusters
    calibration: Mapping[str, Any] | None

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows of the ``ids`` that are in the generation, in the order of ``ids``."""
        if not len(self.ids) or not len(ids):
            return np.empty(0, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: npt.NDArray[np.int64] = rows[self.ids[rows] == ids]
        return found


def open_generation(path: Path, verify: bool = True, pause: float = 0.0) -> Generation:
    """Open a generation. With ``verify``, compare every file with its checksum. Raises ``IndexCorrupt``.

    ``pause`` is slept after each block of a large file, so that concurrent searches stay fast (see `durable.sha256`).
    """
    described = manifest.read(path)
    if verify:
        manifest.verify(path, described, pause)
    try:
        return _open(path, described, pause)
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # FAISS raises RuntimeError
        raise IndexCorrupt(f"{path} cannot be read ({error}); run `copysight index rebuild`") from error


def _open(path: Path, described: Manifest, pause: float) -> Generation:
    count, dimension = described.count, described.dimension
    ids = np.fromfile(path / IDS, dtype="<i8")
    codes = np.fromfile(path / CODES, dtype="<i4")
    found = clusters.load(path)
    if not len(ids) == len(codes) == len(found.assignment) == count:
        raise ValueError(
            f"{len(ids)} ids, {len(codes)} collections and {len(found.assignment)} clusters for {count} items"
        )
    faiss = faiss_index.read(path / FAISS, pause) if FAISS in described.files else None
    if faiss is not None and faiss.ntotal != count:
        raise ValueError(f"{faiss.ntotal} vectors in the FAISS index for {count} items")
    calibration = json.loads((path / CALIBRATION).read_bytes()) if CALIBRATION in described.files else None
    return Generation(
        path.name, path, described, ids, map_vectors(path / VECTORS, count, dimension), codes, faiss, found, calibration
    )


def map_vectors(file: Path, count: int, dimension: int) -> npt.NDArray[np.float32]:
    """Memory-map the stored vectors ``(N,D)``. Raises ``ValueError`` if the file has another size."""
    if file.stat().st_size != count * dimension * 4:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, not those of {count} x {dimension} float32")
    if not count:
        return np.empty((0, dimension), np.float32)
    # A plain array over the mapping, because each slice of an np.memmap costs microseconds.
    return np.asarray(np.memmap(file, dtype="<f4", mode="r", shape=(count, dimension)))
