"""What the catalog takes and gives: frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Status = Literal["created", "unchanged", "replaced"]
State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class NewItem:
    """A picture to be added.

    ``vector`` is ``(D,)`` float32, L2-normalised; None is allowed when the catalog already holds the vector of these
    bytes for the model. ``sha256`` is of the picture's bytes, 64 hexadecimal digits; ``width`` and ``height`` are in
    pixels of the upright original; ``source`` is the path that the bytes came from.
    """

    key: str
    sha256: str
    width: int
    height: int
    vector: npt.NDArray[np.float32] | None
    collection: str = "default"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None


@dataclass(frozen=True)
class Item:
    """A picture of the catalog. ``id`` is never used again; ``sequence`` is that of the item's last change."""

    id: int
    collection: str
    key: str
    sha256: str
    width: int
    height: int
    metadata: Mapping[str, Any]
    source: str | None
    sequence: int


@dataclass(frozen=True)
class Added:
    """Outcome of adding one item: ``created``, ``unchanged`` (same key, same bytes) or ``replaced`` (same id)."""

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
    """What happened between two sequences, read in one transaction.

    ``placed`` holds new and replaced items, ``deleted (T,)`` int64 the ids that are gone. Tombstones up to ``horizon``
    are forgotten: whoever stands before it must start from a generation. ``complete`` is false when an item of that
    time has no vector of the model, as happens once another model is live.
    """

    sequence: int
    horizon: int
    placed: Vectors
    deleted: npt.NDArray[np.int64]
    complete: bool


@dataclass(frozen=True)
class Job:
    """Long work and its progress. Times are in seconds since the epoch."""

    id: int
    kind: str
    state: State
    progress: int
    total: int
    message: str
    created: float
    updated: float
