"""Give items other keys, and delete items, in one transaction: how a collection follows the files of a folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from copysight.catalog import additions
from copysight.catalog.additions import chunks
from copysight.catalog.audit.note import note, note_items
from copysight.catalog.schema import items, tombstones


@dataclass(frozen=True)
class Known:
    """What names an item of a collection, without its metadata."""

    id: int
    key: str
    sha256: str
    source: str | None


@dataclass(frozen=True)
class Move:
    """An item that gets another ``key``, and the path ``source`` that its file has now."""

    item: Known
    key: str
    source: str | None


@dataclass(frozen=True)
class Relocated:
    """Number of items that were moved, and that were deleted."""

    moved: int
    removed: int


def known(connection: sa.Connection, collection: str) -> list[Known]:
    """All items of a collection, ordered by id."""
    query = sa.select(items.c.id, items.c.key, items.c.sha256, items.c.source).where(items.c.collection == collection)
    return [Known(*row) for row in connection.execute(query.order_by(items.c.id))]


def delete(connection: sa.Connection, ids: Iterable[int], sequence: int) -> int:
    """Delete items with their metadata and unused vectors, and leave tombstones. Returns how many were deleted."""
    return sum(_delete(connection, part, sequence) for part in chunks(sorted(set(ids))))


def relocate(
    connection: sa.Connection, collection: str, moves: Sequence[Move], removed: Sequence[Known], sequence: int
) -> Relocated:
    """Move and delete items with the change number ``sequence``, except those that have changed since they were read.

    An item does not move to a key that another item has, unless that one moves away or is deleted, too.
    """
    now = _sha256s(connection, [move.item.id for move in moves] + [one.id for one in removed])
    gone = {one.id for one in removed if now.get(one.id) == one.sha256}
    wanted = {move.key: move for move in moves if now.get(move.item.id) == move.item.sha256}
    while taken := _taken(connection, collection, wanted, gone):
        for key in taken:  # its item keeps its own key, to which another one may want to move
            del wanted[key]
    count = delete(connection, gone, sequence)
    if wanted:
        # Keys are unique, and two items may change theirs: first all get a key that no item can have.
        numbers = [{"number": move.item.id, "new": f"\n{move.item.id}"} for move in wanted.values()]
        connection.execute(_SET_KEY, numbers)
        rows = [{"number": one.item.id, "new": one.key, "at": one.source, "now": sequence} for one in wanted.values()]
        connection.execute(_MOVE, rows)
        note(connection, "item.move", [move.item.id for move in wanted.values()], {"collection": collection})
    return Relocated(len(wanted), count)


_HERE = items.update().where(items.c.id == sa.bindparam("number"))
_SET_KEY = _HERE.values(key=sa.bindparam("new"))
_MOVE = _HERE.values(key=sa.bindparam("new"), source=sa.bindparam("at"), changed=sa.bindparam("now"))


def _taken(connection: sa.Connection, collection: str, wanted: Mapping[str, Move], gone: set[int]) -> list[str]:
    """The keys that items have which neither move nor are deleted."""
    leaving = gone | {move.item.id for move in wanted.values()}
    found = []
    for part in chunks(list(wanted)):
        query = sa.select(items.c.id, items.c.key).where(items.c.collection == collection, items.c.key.in_(part))
        found += [row.key for row in connection.execute(query) if row.id not in leaving]
    return found


def _sha256s(connection: sa.Connection, ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in chunks(ids):
        rows = connection.execute(sa.select(items.c.id, items.c.sha256).where(items.c.id.in_(part)))
        found |= {row.id: row.sha256 for row in rows}
    return found


def _delete(connection: sa.Connection, ids: Sequence[int], sequence: int) -> int:
    columns: list[sa.Column[Any]] = [items.c.id, items.c.collection, items.c.key, items.c.sha256]
    found = connection.execute(sa.select(*columns).where(items.c.id.in_(ids))).all()
    if found:
        connection.execute(items.delete().where(items.c.id.in_([row.id for row in found])))
        connection.execute(tombstones.insert(), [{"item": row.id, "sequence": sequence} for row in found])
        additions.delete_unused_vectors(connection, {row.sha256 for row in found})
        note_items(connection, "item.delete", found)
    return len(found)
