"""A generation: an immutable directory with ids, clusters and calibration, and its vectors in an engine."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.errors import IndexCorrupt
from copysight.index.generations import clusters, manifest
from copysight.index.generations.clusters import Clusters
from copysight.index.generations.engines.engine import Floats, Found, Parameters, Searcher, Visible
from copysight.index.generations.engines.opening import Engines
from copysight.index.generations.manifest import Manifest
from copysight.vectors.representatives import Representatives

IDS = "ids.i64"
CODES = "collections.i32"
CALIBRATION = "calibration.json"
REPRESENTATIVES = "representatives.f16"


@dataclass(frozen=True)
class Generation:
    """An open generation. It is never changed. Its rows are ordered by item id.

    ``ids (N,)`` int64; ``codes (N,)`` int32 are positions in ``manifest.collections``; ``searcher`` has the vectors.
    ``representatives``: for score normalisation; None if it has no calibration, or one of an older version.
    """

    name: str
    path: Path
    manifest: Manifest
    ids: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    searcher: Searcher
    clusters: Clusters
    calibration: Mapping[str, Any] | None
    representatives: Representatives | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows of the ``ids`` that are in the generation, in the order of ``ids``."""
        if not len(self.ids) or not len(ids):
            return np.empty(0, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: npt.NDArray[np.int64] = rows[self.ids[rows] == ids]
        return found

    def search(self, queries: Floats, k: int, visible: Visible, parameters: Parameters) -> Iterable[Found]:
        """Candidates for each of ``queries`` (B, D), see `Searcher.search`."""
        return self.searcher.search(queries, k, visible, self.manifest.choice, parameters)

    def gathers(self, visible: Visible) -> bool:
        """Whether many searches cost less in a copy of the visible vectors, see `Searcher.gathers`."""
        return self.searcher.gathers(visible, self.manifest.choice)


def open_generation(
    path: Path, engines: Engines, verify: bool = True, pause: float = 0.0, name: str | None = None
) -> Generation:
    """Open a generation. With ``verify``, compare every file with its checksum. Raises ``IndexCorrupt``.

    ``name``: its name, if the directory has another one because it is not complete yet.

    Raises ``IndexNotFound`` for one in Milvus, if COPYSIGHT_VECTORS is not set.

    ``pause`` is slept after each block of a large file, so that concurrent searches stay fast (see `durable.sha256`).
    """
    described = manifest.read(path)
    if verify:
        manifest.verify(path, described, pause)
    try:
        return _open(path, name or path.name, described, engines, pause)
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # FAISS raises RuntimeError
        raise IndexCorrupt(f"{path} cannot be read ({error}); run `copysight index rebuild`") from error


def _open(path: Path, name: str, described: Manifest, engines: Engines, pause: float) -> Generation:
    count = described.count
    ids = np.fromfile(path / IDS, dtype="<i8")
    codes = np.fromfile(path / CODES, dtype="<i4")
    found = clusters.load(path)
    if not len(ids) == len(codes) == len(found.assignment) == count:
        raise ValueError(
            f"{len(ids)} ids, {len(codes)} collections and {len(found.assignment)} clusters for {count} items"
        )
    searcher = engines.of(described).open(path, name, described, ids, pause)
    calibration = json.loads((path / CALIBRATION).read_bytes()) if CALIBRATION in described.files else None
    representatives = _representatives(path, described)
    return Generation(name, path, described, ids, codes, searcher, found, calibration, representatives)


def save_representatives(path: Path, representatives: Representatives) -> None:
    """Write them to the directory of a generation, so that no engine is needed to read them."""
    representatives.vectors.astype("<f2").tofile(path / REPRESENTATIVES)


def _representatives(path: Path, described: Manifest) -> Representatives | None:
    if REPRESENTATIVES not in described.files:
        return None
    vectors = np.fromfile(path / REPRESENTATIVES, dtype="<f2").reshape(-1, described.dimension)
    return Representatives(vectors.astype(np.float32))
