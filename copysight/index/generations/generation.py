"""One generation: an immutable directory with everything that searching a collection of the past needs."""

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
    """Opened and never changed. Rows ascend by item id.

    ``ids (N,)`` int64; ``vectors (N,D)`` float32, memory-mapped; ``codes (N,)`` int32 index into
    ``manifest.collections``; ``faiss`` is None for the type ``flat``, which searches ``vectors`` themselves.
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
        """Rows of those ``ids`` that the generation holds, in the order of ``ids``."""
        if not len(self.ids) or not len(ids):
            return np.empty(0, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: npt.NDArray[np.int64] = rows[self.ids[rows] == ids]
        return found


def open_generation(path: Path, verify: bool = True, rest: float = 0.0) -> Generation:
    """Open a generation; with ``verify`` every file is compared with its checksum. Raises ``IndexCorrupt``.

    ``rest`` is slept after each block of a large file, for the sake of searches beside it (`durable.sha256`).
    """
    described = manifest.read(path)
    if verify:
        manifest.verify(path, described, rest)
    try:
        return _open(path, described, rest)
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # FAISS raises RuntimeError
        raise IndexCorrupt(f"{path} cannot be read ({error}); rebuild by `copysight index rebuild`") from error


def _open(path: Path, described: Manifest, rest: float) -> Generation:
    count, dimension = described.count, described.dimension
    ids = np.fromfile(path / IDS, dtype="<i8")
    codes = np.fromfile(path / CODES, dtype="<i4")
    found = clusters.load(path)
    if not len(ids) == len(codes) == len(found.assignment) == count:
        raise ValueError(f"{len(ids)} ids, {len(codes)} collections, {len(found.assignment)} assignments for {count}")
    faiss = faiss_index.read(path / FAISS, rest) if FAISS in described.files else None
    if faiss is not None and faiss.ntotal != count:
        raise ValueError(f"{faiss.ntotal} vectors in the FAISS index for {count}")
    calibration = json.loads((path / CALIBRATION).read_bytes()) if CALIBRATION in described.files else None
    return Generation(
        path.name, path, described, ids, mapped(path / VECTORS, count, dimension), codes, faiss, found, calibration
    )


def mapped(file: Path, count: int, dimension: int) -> npt.NDArray[np.float32]:
    """The stored vectors ``(N,D)``, memory-mapped. Raises ``ValueError`` if the file is not of that size."""
    if file.stat().st_size != count * dimension * 4:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, not those of {count} x {dimension} float32")
    if not count:
        return np.empty((0, dimension), np.float32)
    # A plain array over the mapping: slices of np.memmap cost microseconds each.
    return np.asarray(np.memmap(file, dtype="<f4", mode="r", shape=(count, dimension)))
