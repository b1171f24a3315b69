"""Export to and import from a directory with ``vectors.npy`` (N,D) float32, ``items.jsonl`` and ``about.json``."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.index.transfer.record import Chunk
from copysight.system import durable, storable

VECTORS = "vectors.npy"
ITEMS = "items.jsonl"
ABOUT = "about.json"


def write(
    target: Path,
    chunks: Iterator[Chunk],
    about: Mapping[str, Any],
    dimension: int,
    kinds: Mapping[str, type],  # noqa: ARG001 - records say it themselves
) -> int:
    """Write the new directory ``target``. Returns the number of items."""
    count = 0
    with durable.new_directory(target) as directory:
        with (directory / VECTORS).open("wb") as vectors, (directory / ITEMS).open("w", encoding="utf-8") as lines:
            _header(vectors, 0, dimension)
            for chunk in chunks:
                vectors.write(chunk.vectors.astype("<f4").tobytes())
                lines.writelines(storable.dumps(record) + "\n" for record in chunk.records)
                count += len(chunk.records)
            vectors.seek(0)
            _header(vectors, count, dimension)
        (directory / ABOUT).write_text(json.dumps({**about, "count": count}, indent=1) + "\n")
    return count


def about(source: Path) -> Mapping[str, Any]:
    """The contents of ``about.json``; empty if there is none. Raises ``InvalidArgument``."""
    try:
        data = json.loads((source / ABOUT).read_bytes()) if (source / ABOUT).exists() else {}
    except ValueError as error:
        raise InvalidArgument(f"{source / ABOUT} is not valid JSON ({error}); export again") from error
    return data if isinstance(data, dict) else {}


def read(source: Path, size: int) -> Iterator[Chunk]:
    """The items, ``size`` at a time. Raises ``InvalidArgument``."""
    vectors = _vectors(source)
    try:
        lines = (source / ITEMS).open("rb")
    except OSError as error:
        raise InvalidArgument(
            f"{source / ITEMS} cannot be read ({error}); needed is a file with one item per line"
        ) from error
    with lines:
        for start in range(0, len(vectors), size):
            rows = vectors[start : start + size]
            found = list(islice(lines, len(rows)))
            if len(found) < len(rows):
                raise InvalidArgument(f"{ITEMS} has fewer lines than {VECTORS} has rows; every vector needs one item")
            yield Chunk([_parsed(line, start + i) for i, line in enumerate(found)], rows)
        if next(lines, None) is not None:
            raise InvalidArgument(
                f"{source / ITEMS} has more lines than {VECTORS} has rows ({len(vectors)}); every item needs one vector"
            )


def _vectors(source: Path) -> npt.NDArray[np.floating]:
    try:
        vectors: npt.NDArray[np.floating] = np.load(source / VECTORS, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{source / VECTORS} cannot be read ({error}); needed is a (N,D) float array") from error
    if vectors.ndim != 2:
        raise InvalidArgument(f"{source / VECTORS} has the shape {vectors.shape}; needed is (N,D)")
    return vectors


def _parsed(line: bytes, row: int) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"line {row + 1} of {ITEMS} is not valid JSON ({error}); needed is a JSON object"
        ) from error
    if not isinstance(found, dict):
        raise InvalidArgument(
            f'line {row + 1} of {ITEMS} is {line.decode().strip()[:80]!r}; needed is an object with a "key"'
        )
    return found


def _header(file: IO[bytes], count: int, dimension: int) -> None:
    # NumPy pads the header so that the first axis can grow. So it can be overwritten when the count is known.
    described = {"shape": (count, dimension), "fortran_order": False, "descr": "<f4"}
    np.lib.format.write_array_header_1_0(file, described)
