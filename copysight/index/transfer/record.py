"""The records of export files, independent of the file format."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from copysight.catalog import Item, NewItem
from copysight.errors import InvalidArgument

FIELDS = (
    "key", "collection", "sha256", "width", "height", "metadata", "source", "information", "bytes", "taken", "camera",
)  # fmt: skip
"""The fields of an item that are exported beside its vector. Only the key is required for import."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive items: one record with `FIELDS` for each, and ``vectors (n,D)``."""

    records: list[Mapping[str, Any]]
    vectors: npt.NDArray[np.floating]


class Format(Protocol):
    """A module that reads and writes one file format."""

    def write(
        self, target: Path, chunks: Iterator[Chunk], about: Mapping[str, Any], dimension: int, kinds: Mapping[str, type]
    ) -> int:
        """Write ``target`` atomically, with more columns ``kinds``. Returns the number of items."""

    def about(self, source: Path) -> Mapping[str, Any]:
        """The description of the bundle; empty for files from other programs. Raises ``InvalidArgument``."""

    def read(self, source: Path, size: int) -> Iterator[Chunk]:
        """Yield the items, ``size`` at a time. Raises ``InvalidArgument``."""


class Columns(Protocol):
    """More columns of an export: their types by name, and the values of an item."""

    @property
    def kinds(self) -> Mapping[str, type]:
        """The type of each column: int, float or str. A value may be None."""

    def of(self, number: int) -> Mapping[str, Any]:
        """The values of the item with this id."""


def record(item: Item, more: Columns | None) -> Mapping[str, Any]:
    """The exported fields of an item, and its id if there are more columns."""
    found = {name: getattr(item, name) for name in FIELDS}
    return found if more is None else found | {"id": item.id, **more.of(item.id)}


def new_item(found: Mapping[str, Any], vector: npt.NDArray[np.float32], row: int) -> NewItem:
    """An item to add, from a record and its vector, which is L2-normalised.

    A record without ``sha256`` gets the sha256 of its vector. Raises ``InvalidArgument``, with ``row`` in the message,
    for an invalid record.
    """
    try:
        norm = np.linalg.norm(vector)
        return NewItem(
            key=_text(found["key"]),
            sha256=found.get("sha256") or hashlib.sha256(vector.tobytes()).hexdigest(),
            width=int(found.get("width") or 0),
            height=int(found.get("height") or 0),
            vector=vector if abs(norm - 1) < 1e-6 or norm == 0 else vector / norm,
            collection=_text(found.get("collection") or "default"),
            metadata=_metadata(found.get("metadata")),
            source=found.get("source"),
            information=_share(found.get("information")),
            bytes=_count(found.get("bytes")),
            taken=found.get("taken"),
            camera=found.get("camera"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidArgument(f"row {row + 1} is not an item ({error!r}); it needs at least a key, as text") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _share(value: object) -> float | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # Parquet tools write empty numbers as NaN
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is not a number from 0 to 1")
    return float(value)


def _count(value: object) -> int | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # Parquet tools write empty numbers as NaN
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"{value!r} is not an integer")
    return int(value)


def _metadata(given: object) -> dict[str, Any]:
    """The metadata of a record: an object, or a JSON text in formats with typed columns."""
    found = json.loads(given) if isinstance(given, str | bytes) else given or {}
    if not isinstance(found, dict):
        raise TypeError(f"the metadata {found!r} are not an object")
    return found
