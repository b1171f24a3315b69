"""An exchange as a directory: ``vectors.npy`` (N,D) float32; ``items.jsonl``, a line an item; ``about.json``."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.index.transfer.record import Part
from copysight.system import durable

VECTORS = "vectors.npy"
ITEMS = "items.jsonl"
ABOUT = "about.json"


def write(target: Path, parts: Iterator[Part], about: Mapping[str, Any], dimension: int) -> int:
    """Write the new directory ``target``; returns how many items."""
    count = 0
    with durable.new_directory(target) as directory:
        with (directory / VECTORS).open("wb") as vectors, (directory / ITEMS).open("w") as lines:
            _header(vectors, 0, dimension)
            for part in parts:
                vectors.write(part.vectors.astype("<f4").tobytes())
                lines.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in part.records)
                count += len(part.records)
            vectors.seek(0)
            _header(vectors, count, dimension)
        (directory / ABOUT).write_text(json.dumps({**about, "count": count}, indent=1) + "\n")
    return count


def about(source: Path) -> Mapping[str, Any]:
    """What ``about.json`` says; empty without one. Raises ``InvalidArgument``."""
    try:
        data = json.loads((source / ABOUT).read_bytes()) if (source / ABOUT).exists() else {}
    except ValueError as error:
        raise InvalidArgument(f"{source / ABOUT} is no JSON ({error}); export again") from error
    return data if isinstance(data, dict) else {}


def read(source: Path, size: int) -> Iterator[Part]:
    """The items, ``size`` at a time. Raises ``InvalidArgument``."""
    vectors = _vectors(source)
    try:
        lines = (source / ITEMS).open()
    except OSError as error:
        raise InvalidArgument(f"{source / ITEMS} cannot be read ({error}); needed is a line an item") from error
    with lines:
        for start in range(0, len(vectors), size):
            rows = vectors[start : start + size]
            found = list(islice(lines, len(rows)))
            if len(found) < len(rows):
                raise InvalidArgument(f"{ITEMS} has fewer lines than {VECTORS} has rows; every vector needs its item")
            yield Part([_parsed(line, start + i) for i, line in enumerate(found)], rows)
        if next(lines, None) is not None:
            raise InvalidArgument(f"{source / ITEMS} has more lines than {VECTORS} has rows ({len(vectors)})")


def _vectors(source: Path) -> npt.NDArray[np.floating]:
    try:
        vectors: npt.NDArray[np.floating] = np.load(source / VECTORS, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{source / VECTORS} cannot be read ({error}); needed is a (N,D) float array") from error
    if vectors.ndim != 2:
        raise InvalidArgument(f"{source / VECTORS} is of shape {vectors.shape}; needed is (N,D)")
    return vectors


def _parsed(line: str, row: int) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InvalidArgument(f"line {row + 1} of {ITEMS} is no JSON ({error}); needed is an object") from error
    if not isinstance(found, dict):
        raise InvalidArgument(f"line {row + 1} of {ITEMS} is {line.strip()[:80]!r}; needed is an object with a key")
    return found


def _header(file: IO[bytes], count: int, dimension: int) -> None:
    # NumPy pads the header for a growing first axis, so it can be written again when the count is known.
    described = {"shape": (count, dimension), "fortran_order": False, "descr": "<f4"}
    np.lib.format.write_array_header_1_0(file, described)
