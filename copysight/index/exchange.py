"""Export and import: keys, vectors and metadata as plain files, so that nobody is locked in.

A directory of three files: ``vectors.npy`` (N,D) float32; ``items.jsonl``, a line an item in the same order, with
``key`` and, where known, ``collection``, ``sha256``, ``width``, ``height``, ``metadata``, ``source``; ``about.json``
with the id of the bundle that the vectors are of. Files made by others need only vectors and keys.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from copysight import durable
from copysight.catalog import Added, Item, NewItem, Vectors
from copysight.errors import BundleMismatch, InvalidArgument
from copysight.index.index import Index

VECTORS = "vectors.npy"
ITEMS = "items.jsonl"
ABOUT = "about.json"
CHUNK = 1000


@dataclass(frozen=True)
class Imported:
    """How many items were created, unchanged (same key and bytes), replaced, or left because the key is taken."""

    created: int
    unchanged: int
    replaced: int
    conflicts: int


def export_items(index: Index, target: Path, collection: str | None = None) -> int:
    """Write all items, or those of a collection, to the new directory ``target``; returns how many.

    Raises ``InvalidArgument`` if it exists, ``NotWritable``.
    """
    if target.exists():
        raise InvalidArgument(f"{target} exists; choose another directory for the export")
    snapshot = index.snapshot()
    with durable.writable(target), durable.new_directory(target) as directory:
        with (directory / VECTORS).open("wb") as vectors, (directory / ITEMS).open("w") as lines:
            _header(vectors, 0, snapshot.bundle.dimension)
            count = sum(_export(index, part, collection, vectors, lines) for part in _parts(index, snapshot.bundle.id))
            vectors.seek(0)
            _header(vectors, count, snapshot.bundle.dimension)
        about = {
            "bundle": snapshot.bundle.id,
            "variant": snapshot.variant,
            "name": snapshot.bundle.name,
            "count": count,
        }
        (directory / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    return count


def import_items(index: Index, source: Path, replace: bool = False) -> Imported:
    """Add the items of an export, durably, 1000 a transaction; what is there already is left as it is.

    Vectors are L2-normalised; an item without ``sha256`` gets that of its vector. Raises ``InvalidArgument`` for files
    that cannot be read, and ``BundleMismatch`` when ``about.json`` names another bundle than the index's.
    """
    bundle = index.bundle
    about = _about(source)
    if about.get("bundle", bundle.id) != bundle.id:
        raise BundleMismatch(
            f"{source} holds vectors of the bundle {str(about['bundle'])[:12]}…, the index is of {bundle.id[:12]}…; "
            "import into an index of that bundle, or index the pictures themselves"
        )
    vectors = _read_vectors(source, bundle.dimension)
    outcomes: Counter[str] = Counter()
    with (source / ITEMS).open() as lines:
        for start in range(0, len(vectors), CHUNK):
            part = np.asarray(vectors[start : start + CHUNK], np.float32)
            new = [_item(line, row, start + i) for i, (line, row) in enumerate(_pairs(lines, part))]
            added = index.catalog.add(new, model=bundle.id, replace=replace)
            outcomes.update(one.status if isinstance(one, Added) else "conflicts" for one in added)
        if next(lines, None) is not None:
            raise InvalidArgument(f"{source / ITEMS} has more lines than {VECTORS} has rows ({len(vectors)})")
    return Imported(outcomes["created"], outcomes["unchanged"], outcomes["replaced"], outcomes["conflicts"])


def _parts(index: Index, model: str) -> Iterator[Vectors]:
    return (part for part in index.catalog.stream(model, CHUNK) if isinstance(part, Vectors))


def _export(index: Index, part: Vectors, collection: str | None, vectors: IO[bytes], lines: IO[str]) -> int:
    # An item that was deleted since the stream began is left out.
    items = index.catalog.get_many(part.ids.tolist())
    kept = [i for i, id_ in enumerate(part.ids.tolist()) if id_ in items and _of(items[id_], collection)]
    vectors.write(part.vectors[kept].astype("<f4").tobytes())
    for i in kept:
        lines.write(_line(items[int(part.ids[i])]) + "\n")
    return len(kept)


def _of(item: Item, collection: str | None) -> bool:
    return collection is None or item.collection == collection


def _line(item: Item) -> str:
    names = ("key", "collection", "sha256", "width", "height", "metadata", "source")
    return json.dumps({name: getattr(item, name) for name in names}, ensure_ascii=False)


def _header(file: IO[bytes], count: int, dimension: int) -> None:
    # NumPy pads the header for a growing first axis, so it can be written again when the count is known.
    described = {"shape": (count, dimension), "fortran_order": False, "descr": "<f4"}
    np.lib.format.write_array_header_1_0(file, described)


def _about(source: Path) -> Mapping[str, Any]:
    try:
        data = json.loads((source / ABOUT).read_bytes()) if (source / ABOUT).exists() else {}
    except ValueError as error:
        raise InvalidArgument(f"{source / ABOUT} is no JSON ({error}); export again") from error
    return data if isinstance(data, dict) else {}


def _read_vectors(source: Path, dimension: int) -> npt.NDArray[np.floating]:
    try:
        vectors: npt.NDArray[np.floating] = np.load(source / VECTORS, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{source / VECTORS} cannot be read ({error}); needed is a (N,D) float array") from error
    if vectors.ndim != 2 or vectors.shape[1] != dimension or vectors.dtype.kind != "f":
        raise InvalidArgument(
            f"{source / VECTORS} holds {vectors.dtype} of shape {vectors.shape}; needed are floats (N, {dimension})"
        )
    return vectors


def _pairs(lines: IO[str], rows: npt.NDArray[np.float32]) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    found = list(islice(lines, len(rows)))
    if len(found) < len(rows):
        raise InvalidArgument(f"{ITEMS} has fewer lines than {VECTORS} has rows; every vector needs its item")
    return zip(found, rows, strict=True)


def _item(line: str, vector: npt.NDArray[np.float32], row: int) -> NewItem:
    try:
        data = json.loads(line)
        norm = np.linalg.norm(vector)
        return NewItem(
            key=data["key"],
            sha256=data.get("sha256") or hashlib.sha256(vector.tobytes()).hexdigest(),
            width=int(data.get("width", 0)),
            height=int(data.get("height", 0)),
            vector=vector if abs(norm - 1) < 1e-6 or norm == 0 else vector / norm,
            collection=data.get("collection", "default"),
            metadata=data.get("metadata") or {},
            source=data.get("source"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument(
            f"line {row + 1} of {ITEMS} is no item ({error!r}); needed is an object with a key"
        ) from error
