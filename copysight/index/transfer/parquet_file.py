"""Export to and import from one Parquet file: columns `FIELDS`, ``metadata`` as JSON text, ``vector`` as floats."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from copysight.errors import InvalidArgument
from copysight.index.transfer.record import FIELDS, Chunk
from copysight.system import durable, storable

ABOUT = b"copysight"
VECTOR = "vector"
TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string()}


def write(
    target: Path, chunks: Iterator[Chunk], about: Mapping[str, Any], dimension: int, kinds: Mapping[str, type]
) -> int:
    """Write the file ``target``; ``kinds`` are more columns. Returns the number of items."""
    schema = _schema(dimension, kinds).with_metadata({ABOUT: json.dumps(dict(about)).encode()})
    count = 0
    with durable.new_file(target) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as file:
        for chunk in chunks:
            file.write_batch(_batch(chunk, schema, dimension, kinds))
            count += len(chunk.records)
    return count


def about(source: Path) -> Mapping[str, Any]:
    """The description in the file's metadata; empty for files from other programs. Raises ``InvalidArgument``."""
    with _opened(source) as file:
        found = json.loads((file.schema_arrow.metadata or {}).get(ABOUT, b"{}"))
    return found if isinstance(found, dict) else {}


def read(source: Path, size: int) -> Iterator[Chunk]:
    """Yield the items, ``size`` at a time. Other columns are ignored. Raises ``InvalidArgument``."""
    with _opened(source) as file:
        there = file.schema_arrow.names
        if missing := {"key", VECTOR} - set(there):
            raise InvalidArgument(f"{source} has the columns {there}; add the columns {sorted(missing)}")
        columns = [name for name in (*FIELDS, VECTOR) if name in there]
        try:
            for batch in file.iter_batches(size, columns=columns):
                yield Chunk(batch.drop_columns([VECTOR]).to_pylist(), _vectors(batch.column(VECTOR), source))
        except (pa.ArrowException, OSError) as error:
            raise InvalidArgument(f"{source} cannot be read ({error}); write it again") from error


def _opened(source: Path) -> Any:
    try:
        return pq.ParquetFile(source)
    except (pa.ArrowException, OSError) as error:
        raise InvalidArgument(f"{source} is not a valid Parquet file ({error}); write it again") from error


def _schema(dimension: int, more: Mapping[str, type]) -> Any:
    texts = {"key", "collection", "sha256", "metadata", "source", "taken", "camera"}
    sides = {"width", "height"}
    kinds = {**dict.fromkeys(texts, pa.string()), **dict.fromkeys(sides, pa.int32())}
    kinds |= {"information": pa.float64(), "bytes": pa.int64()}
    derived = {"id": pa.int64(), **{name: TYPES[kind] for name, kind in more.items()}} if more else {}
    fixed = [*((name, kinds[name]) for name in FIELDS), (VECTOR, pa.list_(pa.float32(), dimension))]
    return pa.schema([*fixed, *derived.items()])


def _batch(chunk: Chunk, schema: Any, dimension: int, more: Mapping[str, type]) -> Any:
    records = [{**found, "metadata": storable.dumps(found["metadata"])} for found in chunk.records]
    names = [*FIELDS, *(("id", *more) if more else ())]
    columns = {name: pa.array([found[name] for found in records], schema.field(name).type) for name in names}
    flat = pa.array(np.asarray(chunk.vectors, np.float32).ravel())
    columns[VECTOR] = pa.FixedSizeListArray.from_arrays(flat, dimension)
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _vectors(column: Any, source: Path) -> npt.NDArray[np.floating]:
    """A column of equally long lists of floats as an array ``(n,D)``."""
    kind = column.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not listed or not pa.types.is_floating(kind.value_type):
        raise InvalidArgument(f"the column {VECTOR!r} of {source} has the type {kind}; needed are lists of floats")
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    flat = column.flatten()
    if column.null_count or flat.null_count or len(lengths) > 1:
        raise InvalidArgument(
            f"the column {VECTOR!r} of {source} has lists of {lengths} numbers, or null values; all lists must have "
            "the same length, and no value may be null"
        )
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), -1)
