"""Generations in files: their vectors, and a FAISS index of them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from copysight.index.generations import index_type
from copysight.index.generations.engines.engine import Contents, Floats, Ids, Searcher
from copysight.index.generations.engines.files import faiss_index
from copysight.index.generations.engines.files.searcher import FaissSearcher
from copysight.index.generations.index_type import IndexType
from copysight.index.generations.manifest import Manifest

VECTORS = "vectors.f32"
FAISS = "vectors.faiss"


class FilesEngine:
    """Each generation has all in its directory, so CURRENT alone makes it live, and its removal removes all."""

    def choose(self, count: int, dimension: int) -> IndexType:
        """The index type for ``count`` vectors."""
        return index_type.choose(count, dimension)

    def check(self, choice: IndexType, dimension: int) -> None:
        """FAISS has every index type."""

    def build(self, directory: Path, _name: str, contents: Contents, choice: IndexType, seed: int) -> Searcher:
        """Write the FAISS index. The vectors are in the directory already."""
        index = faiss_index.build(choice, contents.vectors, seed)
        if index is not None:
            faiss_index.write(index, str(directory / FAISS))
        return FaissSearcher(index, contents.vectors)

    def seal(self, _directory: Path, _name: str) -> None:
        """Nothing was only for the build."""

    def open(self, path: Path, name: str, made: Manifest, ids: Ids, pause: float) -> Searcher:
        """Map the vectors, and read the FAISS index. Raises ``ValueError``, ``OSError``, ``RuntimeError``."""
        index = faiss_index.read(path / FAISS, pause) if FAISS in made.files else None
        if index is not None and index.ntotal != len(ids):
            raise ValueError(f"{index.ntotal} vectors in the FAISS index for {len(ids)} items")
        return FaissSearcher(index, map_vectors(path / VECTORS, len(ids), made.dimension))

    def promote(self, name: str | None) -> None:
        """Nothing outside the directory has to follow."""

    def current(self) -> None:
        """CURRENT alone knows."""

    def drop(self, name: str) -> None:
        """All is in the directory."""

    def rest(self, live: str | None) -> None:
        """The system frees what nobody reads."""

    def names(self) -> list[str]:
        """None: all is in the directories."""
        return []

    def health(self) -> None:
        """Files can be read."""


def map_vectors(file: Path, count: int, dimension: int) -> Floats:
    """Memory-map the stored vectors ``(N,D)``. Raises ``ValueError`` if the file has another size."""
    if file.stat().st_size != count * dimension * 4:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, not those of {count} x {dimension} float32")
    if not count:
        return np.empty((0, dimension), np.float32)
    # A plain array over the mapping, because each slice of an np.memmap costs microseconds.
    mapped: npt.NDArray[np.float32] = np.asarray(np.memmap(file, dtype="<f4", mode="r", shape=(count, dimension)))
    return mapped
