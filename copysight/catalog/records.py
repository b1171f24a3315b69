"""The records that the catalog accepts and returns, as frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Status = Literal["created", "unchanged", "replaced"]
State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class NewItem:
    """A picture to add.

    ``vector`` is ``(D,)`` float32, L2-normalised. It may be None if the catalog already holds the vector of this sha256
    for the model. ``sha256`` is the digest of the picture file, 64 hexadecimal digits. ``width`` and ``height`` are in
    pixels of the upright original. ``source`` is the path that the file was read from. ``files`` is true if the
    thumbnail, and by the policy the original, are stored with the item; `verify` then looks for them. ``information``:
    how much the picture holds, 0..1 (`pictures.information`). ``bytes``: size of the file. ``taken``: date and time of
    the exposure, ISO 8601 without a zone, and ``camera``: its maker and model, as EXIF says. None if not known.
    """

    key: str
    sha256: str
    width: int
    height: int
    vector: npt.NDArray[np.float32] | None
    collection: str = "default"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    files: bool = False
    information: float | None = None
    bytes: int | None = None
    taken: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class Item:
    """A picture in the catalog. An ``id`` is never reused. ``sequence`` is the number of the item's last change.

    ``information``, ``bytes``, ``taken`` and ``camera`` are as in ``NewItem``; items of older indexes have none.
    """

    id: int
    collection: str
    key: str
    sha256: str
    width: int
    height: int
    metadata: Mapping[str, Any]
    source: str | None
    sequence: int
    information: float | None = None
    bytes: int | None = None
    taken: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class Added:
    """The outcome of adding one item: ``created``, ``unchanged`` (same key and bytes) or ``replaced`` (same id)."""

    item: Item
    status: Status


@dataclass(frozen=True)
class Vectors:
    """Items with vectors, ordered by id: ``ids (N,)`` int64, ``vectors (N,D)`` float32, ``collections`` N names."""

    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    collections: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """The changes between two sequences, read in one transaction.

    ``placed`` holds the new and replaced items, ``deleted (T,)`` int64 the ids of deleted items. Tombstones up to
    ``horizon`` have been removed, so a reader with an older sequence must start again from a generation. ``complete``
    is false if a changed item has no vector of the model, which happens after another model has become live.
    """

    sequence: int
    horizon: int
    placed: Vectors
    deleted: npt.NDArray[np.int64]
    complete: bool


@dataclass(frozen=True)
class Job:
    """A long task and its progress. Times are in seconds since the epoch."""

    id: int
    kind: str
    state: State
    progress: int
    total: int
    message: str
    created: float
    updated: float
