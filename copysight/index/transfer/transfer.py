"""Export and import: keys, vectors and metadata as plain files, so that nobody is locked in.

A path that ends in ``.parquet`` is one Parquet file, any other a directory of NumPy and JSON lines. Files made by
others need only vectors and keys.
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
from copysight.index.transfer import numpy_files
from copysight.index.transfer import record as records
from copysight.index.transfer.record import Format, Part
from copysight.system import durable

WRITTEN = 4096  # items read from the catalog at a time, and the row group of a Parquet file
CHUNK = 1000  # items of a durable transaction


@dataclass(frozen=True)
class Imported:
    """How many items were created, unchanged (same key and bytes), replaced, or left because the key is taken."""

    created: int
    unchanged: int
    replaced: int
    conflicts: int


def export_items(index: Index, target: Path, collection: str | None = None) -> int:
    """Write all items, or those of a collection, to the new ``target``; returns how many.

    Raises ``InvalidArgument`` if it exists, ``NotWritable``.
    """
    if target.exists():
        raise InvalidArgument(f"{target} exists; choose another path for the export")
    snapshot = index.snapshot()
    bundle = snapshot.bundle
    about = {"bundle": bundle.id, "variant": snapshot.variant, "name": bundle.name}
    with durable.writable(target):
        return _format(target).write(target, _parts(index, bundle.id, collection), about, bundle.dimension)


def import_items(index: Index, source: Path, replace: bool = False) -> Imported:
    """Add the items of an export, durably, 1000 a transaction; what is there already is left as it is.

    Vectors are L2-normalised; an item without ``sha256`` gets that of its vector. Raises ``InvalidArgument`` for files
    that cannot be read, and ``BundleMismatch`` when they name another bundle than the index's.
    """
    files, bundle = _format(source), index.bundle
    made_by = files.about(source).get("bundle", bundle.id)
    if made_by != bundle.id:
        raise BundleMismatch(
            f"{source} holds vectors of the bundle {str(made_by)[:12]}…, the index is of {bundle.id[:12]}…; "
            "import into an index of that bundle, or index the pictures themselves"
        )
    outcomes: Counter[str] = Counter()
    row = 0
    for part in files.read(source, CHUNK):
        vectors = _checked(part.vectors, bundle.dimension, source)
        added = index.catalog.add(_items(part, vectors, row), model=bundle.id, replace=replace)
        outcomes.update(one.status if isinstance(one, Added) else "conflicts" for one in added)
        row += len(added)
    return Imported(outcomes["created"], outcomes["unchanged"], outcomes["replaced"], outcomes["conflicts"])


def _format(path: Path) -> Format:
    if path.suffix != ".parquet":
        return numpy_files
    try:
        from copysight.index.transfer import parquet_file  # noqa: PLC0415 - pyarrow is large, and needed by few
    except ImportError as error:
        raise InvalidArgument(
            f"{path.name} needs pyarrow ({error}); install copysight[parquet], or name a directory for NumPy files"
        ) from error
    return parquet_file


def _parts(index: Index, model: str, collection: str | None) -> Iterator[Part]:
    for part in index.catalog.stream(model, WRITTEN):
        if isinstance(part, Vectors):
            # An item that was deleted since the stream began is left out.
            items = index.catalog.get_many(part.ids.tolist())
            wanted = [id_ in items and collection in {None, items[id_].collection} for id_ in part.ids.tolist()]
            kept = np.flatnonzero(wanted)
            yield Part([records.record(items[int(part.ids[i])]) for i in kept], part.vectors[kept])


def _items(part: Part, vectors: npt.NDArray[np.float32], first: int) -> list[NewItem]:
    pairs = enumerate(zip(part.records, vectors, strict=True), first)
    return [records.new_item(record, vector, row) for row, (record, vector) in pairs]


def _checked(vectors: npt.NDArray[np.floating], dimension: int, source: Path) -> npt.NDArray[np.float32]:
    if vectors.shape[1] != dimension or vectors.dtype.kind != "f":
        raise InvalidArgument(
            f"{source} holds vectors of {vectors.shape[1]} {vectors.dtype} numbers; needed are {dimension} floats, "
            "the bundle's dimension"
        )
    return np.ascontiguousarray(vectors, np.float32)
