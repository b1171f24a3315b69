"""Items outside of an index: what files of an exchange hold, whatever their format."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from copysight.catalog import Item, NewItem
from copysight.errors import InvalidArgument

NAMES = ("key", "collection", "sha256", "width", "height", "metadata", "source")
"""What is written of an item beside its vector; only the key is needed to read one."""


@dataclass(frozen=True)
class Part:
    """Some items in a row: a record by `NAMES` for each, and ``vectors (n,D)``."""

    records: list[Mapping[str, Any]]
    vectors: npt.NDArray[np.floating]


class Format(Protocol):
    """A module that reads and writes one kind of files."""

    def write(self, target: Path, parts: Iterator[Part], about: Mapping[str, Any], dimension: int) -> int:
        """Write ``target``, whole or not at all; returns how many items."""

    def about(self, source: Path) -> Mapping[str, Any]:
        """What the file says of its bundle; empty for files made by others. Raises ``InvalidArgument``."""

    def read(self, source: Path, size: int) -> Iterator[Part]:
        """The items, ``size`` at a time. Raises ``InvalidArgument``."""


def record(item: Item) -> Mapping[str, Any]:
    """What is written of an item."""
    return {name: getattr(item, name) for name in NAMES}


def new_item(found: Mapping[str, Any], vector: npt.NDArray[np.float32], row: int) -> NewItem:
    """An item to be added; its vector is L2-normalised, its sha256 that of the vector where none is known.

    ``row`` is for the message of ``InvalidArgument``, which is raised for a record that is none.
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
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument(f"row {row + 1} is no item ({error!r}); needed is at least a key as text") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _metadata(given: object) -> dict[str, Any]:
    """A JSON object, also as text, which is how formats with typed columns hold it."""
    found = json.loads(given) if isinstance(given, str) else given or {}
    if not isinstance(found, dict):
        raise TypeError(f"the metadata {found!r} are no object")
    return found
