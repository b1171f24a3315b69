"""Store which pictures people have moved to another cluster, by their sha256, so that it survives rebuilds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog.audit.note import note
from copysight.catalog.database import Database
from copysight.catalog.engines.portable import one_of
from copysight.catalog.schema import cluster_moves, cluster_names, items
from copysight.errors import InvalidArgument, ItemNotFound

FIRST_NEW = 1 << 40
"""Ids of clusters that people make begin here: k-means counts its own from 0."""
NEW = -1
"""In place of the id of a cluster: a new one."""
MOST_ITEMS = 10_000
"""Items that one call can move."""


@dataclass(frozen=True)
class Moved:
    """The item ``ids`` (M,) that were moved, ascending, and the ids ``clusters`` (M,) of the clusters they are in."""

    ids: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Placement:
    """Some ``items``, and ``to`` which cluster they move: its id, or `NEW`; None: back where the model puts them."""

    items: tuple[int, ...]
    to: int | None


@dataclass(frozen=True)
class Moves:
    """What was ``made``, and what undoes it: the placements ``before``."""

    made: tuple[Placement, ...]
    before: tuple[Placement, ...]


class ClusterMoves:
    """The table of moved pictures. Items of equal bytes move together. Each change is one durable transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, placements: Sequence[Placement], author: str | None = None) -> Moves:
        """Move items, and those of equal bytes. Pictures of one placement in a new cluster are together there.

        Raises ``InvalidArgument`` for none or too many items, and ``ItemNotFound``; then nothing is moved.
        """
        ids = [number for one in placements for number in one.items]
        if not 0 < len(ids) <= MOST_ITEMS:
            raise InvalidArgument(f"got {len(ids):,} items to move; give 1 to {MOST_ITEMS:,}")
        with self._database.write() as connection:
            sha256s = _sha256s(connection, ids)
            before = _placements(connection, ids, sha256s)
            made = []
            for given in placements:
                one = replace(given, to=_new_id(connection)) if given.to == NEW else given
                pictures = sorted({sha256s[number] for number in one.items})
                connection.execute(cluster_moves.delete().where(one_of(cluster_moves.c.sha256, pictures)))
                if one.to is not None:
                    rows = [{"sha256": sha256, "cluster": one.to} for sha256 in pictures]
                    connection.execute(cluster_moves.insert(), rows)
                note(connection, "cluster.move", one.items, {"to": one.to}, author)
                made.append(one)
            return Moves(tuple(made), tuple(before))

    def all(self) -> Moved:
        """All items that were moved."""
        query = sa.select(items.c.id, cluster_moves.c.cluster).join(items, items.c.sha256 == cluster_moves.c.sha256)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(items.c.id)).all()
        found = np.array([tuple(row) for row in rows], np.int64).reshape(-1, 2)
        return Moved(found[:, 0], found[:, 1])


def _new_id(connection: sa.Connection) -> int:
    """An id that no cluster has, for a new one."""
    columns = (cluster_moves.c.cluster, cluster_names.c.cluster)
    used = [connection.execute(sa.select(sa.func.max(column))).scalar() for column in columns]
    return max(FIRST_NEW, *(1 + (one or 0) for one in used))


def _sha256s(connection: sa.Connection, ids: Iterable[int]) -> dict[int, str]:
    wanted = set(ids)
    query = sa.select(items.c.id, items.c.sha256).where(one_of(items.c.id, list(wanted)))
    found = {row.id: row.sha256 for row in connection.execute(query)}
    if missing := sorted(wanted - found.keys()):
        raise ItemNotFound(f"there is no item {missing[0]}; perhaps it was deleted", id=missing[0])
    return found


def _placements(connection: sa.Connection, ids: Sequence[int], sha256s: dict[int, str]) -> list[Placement]:
    """Where items are, as placements that put them there again."""
    query = sa.select(cluster_moves).where(one_of(cluster_moves.c.sha256, sorted(set(sha256s.values()))))
    at = {row.sha256: int(row.cluster) for row in connection.execute(query)}
    groups: dict[int | None, list[int]] = {}
    for number in dict.fromkeys(ids):
        groups.setdefault(at.get(sha256s[number]), []).append(number)
    return [Placement(tuple(numbers), to) for to, numbers in groups.items()]
