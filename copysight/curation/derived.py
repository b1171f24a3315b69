"""What is derived of each item of a collection, for people who curate it: cluster, duplicates, outlier score, map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from copysight.curation import flat_map, outliers
from copysight.duplicates.review.listing import Review, Wanted
from copysight.index import Index

Cell = int | float | str | None
KINDS: Mapping[str, type] = {
    "cluster": int, "cluster_name": str, "duplicate_group": int, "duplicate_role": str, "outlier": float,
}  # fmt: skip
MAP_KINDS: Mapping[str, type] = {"map_x": float, "map_y": float}


@dataclass(frozen=True)
class Members:
    """Items ``ids`` (N,), ascending, with their ``vectors`` (N, D)."""

    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Derived:
    """The columns by name with their types, and their values by item id; an item that was added since has none."""

    kinds: Mapping[str, type] = field(default_factory=dict)
    rows: Mapping[int, Mapping[str, Cell]] = field(default_factory=dict)

    def of(self, number: int) -> Mapping[str, Cell]:
        """The values of an item."""
        return self.rows.get(number) or dict.fromkeys(self.kinds)


def members(index: Index, collection: str | None) -> Members:
    """All items with vectors of a collection, or of all."""
    snapshot = index.snapshot()
    wanted = None if collection is None else index.catalog.matching(None, collection)
    ids, rows = [np.zeros(0, np.int64)], [np.zeros((0, snapshot.bundle.dimension), np.float32)]
    for chunk in index.catalog.stream(snapshot.bundle.id):
        if not isinstance(chunk, int):
            kept = np.ones(len(chunk.ids), bool) if wanted is None else np.isin(chunk.ids, wanted)
            ids.append(chunk.ids[kept])
            rows.append(chunk.vectors[kept])
    return Members(np.concatenate(ids), np.concatenate(rows))


def derive(index: Index, collection: str | None, with_map: bool = False) -> Derived:
    """The columns ``KINDS``, and ``MAP_KINDS`` if a map is wanted, which is stored in the index for the next one.

    Duplicates are those of the latest search (`index duplicates`) by what was decided; null without one. Raises
    ``InvalidArgument`` if a map is wanted and scikit-learn is not installed.
    """
    found = members(index, collection)
    columns = _clusters(index, found) | _duplicates(index, collection, found.ids.tolist())
    columns["outlier"] = [round(float(one), 5) for one in outliers.scores(found.vectors)]
    kinds = dict(KINDS)
    if with_map and len(found.ids):
        made = flat_map.make(found.ids, found.vectors, flat_map.read(index.directory))
        flat_map.write(index.directory, made)
        columns |= {name: [round(float(one), 5) for one in made.places[:, at]] for at, name in enumerate(MAP_KINDS)}
        kinds |= MAP_KINDS
    rows = zip(*(columns[name] for name in kinds), strict=True)
    by_id = zip(found.ids.tolist(), rows, strict=True)
    return Derived(kinds, {number: dict(zip(kinds, row, strict=True)) for number, row in by_id})


def _clusters(index: Index, found: Members) -> dict[str, Sequence[Cell]]:
    names = index.catalog.names.all()
    nearest = index.snapshot().assign(found.vectors) if len(found.ids) else []
    moves = index.catalog.moves.all()
    moved = dict(zip(moves.ids.tolist(), moves.clusters.tolist(), strict=True))
    pairs = zip(found.ids.tolist(), nearest, strict=True)
    numbers = [moved.get(number, None if one is None else one.id) for number, one in pairs]
    return {"cluster": numbers, "cluster_name": [None if one is None else names.get(one) for one in numbers]}


def _duplicates(index: Index, collection: str | None, ids: Sequence[int]) -> dict[str, Sequence[Cell]]:
    review = Review(index.catalog, index.layout.duplicates)
    result = review.result(collection) or review.result(None)
    groups: dict[int, int] = {}
    roles: dict[int, str] = {}
    listing = None if result is None else review.listing(result, Wanted())
    for number, group in enumerate(() if listing is None else listing.groups, start=1):
        for place, role in [(group.keep, "keep"), *((one.number, "member") for one in group.members)]:
            groups[listing.ids[place]], roles[listing.ids[place]] = number, role  # type: ignore[union-attr]
    return {"duplicate_group": [groups.get(one) for one in ids], "duplicate_role": [roles.get(one) for one in ids]}
