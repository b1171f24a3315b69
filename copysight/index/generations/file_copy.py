"""Copy a generation into a directory of files, also one that is in Milvus."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from copysight.index.generations import manifest
from copysight.index.generations.engines.files.engine import VECTORS
from copysight.index.generations.engines.opening import Engines
from copysight.index.generations.generation import open_generation
from copysight.index.generations.index_type import IndexType
from copysight.system import durable

ROWS = 65_536  # vectors that are read at a time


def copy_to_files(path: Path, engines: Engines, target: Path) -> None:
    """Copy the generation ``path`` to the new directory ``target``. One in Milvus becomes one of the type ``flat``.

    It has the same rows, vectors and clusters, and answers exactly; a rebuild gives it an index again. Raises
    ``IndexCorrupt``, ``VectorsUnavailable``.
    """
    made = manifest.read(path)
    shutil.copytree(path, target)
    if made.collection is None:
        return
    searcher = open_generation(path, engines, verify=False).searcher
    with (target / VECTORS).open("wb") as file:
        for start in range(0, made.count, ROWS):
            rows = np.arange(start, min(made.count, start + ROWS))
            file.write(searcher.stored(rows).astype("<f4", copy=False).tobytes())
    files = {**made.files, VECTORS: durable.sha256(target / VECTORS)}
    manifest.write(target, replace(made, choice=IndexType("flat"), recall=1.0, collection=None, files=files))
