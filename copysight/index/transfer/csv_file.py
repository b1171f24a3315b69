"""Export to one CSV file, for people and spreadsheets: the fields of items without vectors. It cannot be imported."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from copysight.errors import InvalidArgument
from copysight.index.transfer.record import FIELDS, Chunk
from copysight.system import durable, storable


def write(
    target: Path,
    chunks: Iterator[Chunk],
    about: Mapping[str, Any],  # noqa: ARG001 - as other formats
    dimension: int,  # noqa: ARG001
    kinds: Mapping[str, type],
) -> int:
    """Write the file ``target``. Returns the number of items. Metadata are JSON text."""
    count, columns = 0, [*(("id",) if kinds else ()), *FIELDS, *kinds]
    with durable.new_file(target) as made, made.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for chunk in chunks:
            for record in chunk.records:
                writer.writerow([_cell(record[name]) for name in columns])
            count += len(chunk.records)
    return count


def about(source: Path) -> Mapping[str, Any]:
    """Raise ``InvalidArgument``."""
    raise InvalidArgument(f"{source} is a CSV file, which has no vectors; import a directory or a .parquet file")


def read(source: Path, size: int) -> Iterator[Chunk]:  # noqa: ARG001
    """Raise ``InvalidArgument``."""
    raise InvalidArgument(f"{source} is a CSV file, which has no vectors; import a directory or a .parquet file")


def _cell(value: object) -> object:
    if isinstance(value, Mapping):
        return storable.dumps(value)
    return "" if value is None else value
