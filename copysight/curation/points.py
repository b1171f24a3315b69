"""The stored map of an index as points: where each item is, its cluster, and the value of a field."""

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from copysight.catalog import Item
from copysight.curation import flat_map
from copysight.index import Index, Snapshot

Ints = npt.NDArray[np.int64]
Value = str | int | float | bool | None
NO_CLUSTER = -1
FIELDS = ("collection", "folder", "camera", "year", "width", "height", "bytes", "information")
"""Fields that every item has, beside those of its metadata."""
PAGE = 4096


@dataclass(frozen=True)
class Points:
    """N items of a collection that are on the map, ascending by ``ids`` (N,).

    ``places`` (N, 2) are within -1 and 1. ``clusters`` (N,): ids of clusters, -1 for items of none. ``keys`` and
    ``values``: N keys, and N values of the field, or none of them without a field.
    """

    ids: Ints
    places: npt.NDArray[np.float32]
    clusters: Ints
    keys: tuple[str, ...]
    values: tuple[Value, ...]


def read(index: Index, collection: str | None = None, field: str | None = None) -> Points | None:
    """The points of a collection, or of all; None if the index has no map. Items that were deleted are left out."""
    found = flat_map.read(index.directory)
    if found is None:
        return None
    items = {item.id: item for item in _items(index, collection)}
    rows = np.flatnonzero(np.isin(found.ids, np.fromiter(items, np.int64, len(items))))
    ids = found.ids[rows]
    placed = [items[number] for number in ids.tolist()]
    values = () if field is None else tuple(value_of(item, field) for item in placed)
    clusters = _clusters(index.snapshot().clustered(), ids)
    return Points(ids, found.places[rows], clusters, tuple(item.key for item in placed), values)


def value_of(item: Item, field: str) -> Value:
    """The value of one of ``FIELDS``, or of the metadata; None if there is none, or if it is a list or an object."""
    if field == "folder":
        return str(PurePosixPath(item.key).parent)
    if field == "year":
        return None if item.taken is None else int(item.taken[:4])
    value = getattr(item, field) if field in FIELDS else item.metadata.get(field)
    return value if isinstance(value, str | int | float | bool) else None


def _items(index: Index, collection: str | None) -> list[Item]:
    items: list[Item] = []
    while page := index.catalog.page(collection, items[-1].id if items else 0, PAGE):
        items += page
    return items


def _clusters(snapshot: Snapshot, ids: Ints) -> Ints:
    generation = snapshot.generation
    clusters = np.full(len(ids), NO_CLUSTER, np.int64)
    if generation is None or not len(generation.clusters.ids):
        return clusters
    rows = generation.rows(ids)
    there = np.isin(ids, generation.ids[rows])
    clusters[there] = generation.clusters.ids[generation.clusters.assignment[rows]]
    return clusters
