"""Export and import keys, vectors and metadata as plain files.

A path that ends in ``.parquet`` is one Parquet file, one in ``.csv`` a table without vectors. Any other path
is a directory with a NumPy array and JSON lines.
Files from other programs need only vectors and keys.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copysight.catalog import Added, NewItem, Vectors
from copysight.errors import BundleMismatch, InvalidArgument
from copysight.index.index import Index
from copysight.index.transfer import csv_file, numpy_files
from copysight.index.transfer import record as records
from copysight.index.transfer.record import Chunk, Columns, Format
from copysight.system import durable

EXPORT_CHUNK = 4096  # items per read from the catalog, and per row group of a Parquet file
IMPORT_CHUNK = 1000  # items per durable transaction


@dataclass(frozen=True)
class Imported:
    """Number of items that were created, unchanged (same key and bytes), replaced, or skipped (other bytes)."""

    created: int
    unchanged: int
    replaced: int
    conflicts: int


def export_items(index: Index, target: Path, collection: str | None = None, more: Columns | None = None) -> int:
    """Write all items, or those of a collection, to the new ``target``, with ``more`` columns. Returns their number.

    Raises ``InvalidArgument`` if ``target`` exists, and ``NotWritable``.
    """
    if target.exists() or target.is_symlink():
        raise InvalidArgument(f"{target} exists; choose another path for the export")
    snapshot = index.snapshot()
    bundle = snapshot.bundle
    about = {"bundle": bundle.id, "variant": snapshot.variant, "name": bundle.name}
    with durable.writable(target):
        chunks, kinds = _chunks(index, bundle.id, collection, more), {} if more is None else more.kinds
        return _format(target).write(target, chunks, about, bundle.dimension, kinds)


def import_items(index: Index, source: Path, replace: bool = False) -> Imported:
    """Add the items of an export in durable transactions of 1000. Skip items with a known key and the same bytes.

    Vectors are L2-normalised. An item without ``sha256`` gets the sha256 of its vector. Raises ``InvalidArgument`` for
    unreadable files, and ``BundleMismatch`` if the export belongs to another bundle.
    """
    files, bundle = _format(source), index.bundle
    made_by = files.about(source).get("bundle", bundle.id)
    if made_by != bundle.id:
        raise BundleMismatch(
            f"{source} holds vectors of the bundle {str(made_by)[:12]}…, the index needs {bundle.id[:12]}…; "
            "import into an index of that bundle, or build the index from the pictures"
        )
    outcomes: Counter[str] = Counter()
    row = 0
    for chunk in files.read(source, IMPORT_CHUNK):
        vectors = _check_vectors(chunk.vectors, bundle.dimension, source)
        added = index.catalog.add(_items(chunk, vectors, row), model=bundle.id, replace=replace)
        outcomes.update(one.status if isinstance(one, Added) else "conflicts" for one in added)
        row += len(added)
    return Imported(outcomes["created"], outcomes["unchanged"], outcomes["replaced"], outcomes["conflicts"])


def _format(path: Path) -> Format:
    if path.suffix == ".csv":
        return csv_file
    if path.suffix != ".parquet":
        return numpy_files
    try:
        from copysight.index.transfer import parquet_file  # noqa: PLC0415 - pyarrow is large, and few users need it
    except ImportError as error:
        raise InvalidArgument(
            f"{path.name} needs pyarrow ({error}); install copysight[parquet], or use a directory for NumPy files"
        ) from error
    return parquet_file


def _chunks(index: Index, model: str, collection: str | None, more: Columns | None) -> Iterator[Chunk]:
    for chunk in index.catalog.stream(model, EXPORT_CHUNK):
        if isinstance(chunk, Vectors):
            # Leave out items that were deleted after the stream began.
            items = index.catalog.get_many(chunk.ids.tolist())
            wanted = [id_ in items and collection in {None, items[id_].collection} for id_ in chunk.ids.tolist()]
            kept = np.flatnonzero(wanted)
            yield Chunk([records.record(items[int(chunk.ids[i])], more) for i in kept], chunk.vectors[kept])


def _items(chunk: Chunk, vectors: npt.NDArray[np.float32], first: int) -> list[NewItem]:
    pairs = enumerate(zip(chunk.records, vectors, strict=True), first)
    return [records.new_item(record, vector, row) for row, (record, vector) in pairs]


def _check_vectors(vectors: npt.NDArray[np.floating], dimension: int, source: Path) -> npt.NDArray[np.float32]:
    if vectors.shape[1] != dimension or vectors.dtype.kind != "f":
        raise InvalidArgument(
            f"{source} holds vectors of {vectors.shape[1]} numbers of type {vectors.dtype}; needed are {dimension} "
            "floats, the dimension of the bundle"
        )
    return np.ascontiguousarray(vectors, np.float32)
