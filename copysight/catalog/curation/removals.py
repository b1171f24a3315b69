"""Remove items so that they can be restored: their rows are kept aside, and their vectors and files with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from copysight.catalog import additions, relocation
from copysight.catalog.additions import chunks
from copysight.catalog.audit.note import note
from copysight.catalog.schema import items, models, orphans, removals, state, tombstones, vectors
from copysight.errors import BundleMismatch


@dataclass(frozen=True)
class RemovedItems:
    """The number of items that a batch removed, when (seconds since the epoch), and by whom."""

    batch: int
    made: float
    author: str | None
    count: int


COLUMNS = (
    "collection", "key", "sha256", "width", "height", "metadata", "source", "files", "information", "bytes", "taken",
    "camera",
)  # fmt: skip


def remove(
    connection: sa.Connection, ids: Iterable[int], batch: int, made: float, author: str | None, sequence: int
) -> int:
    """Move items to the removed ones, and leave tombstones. Returns their number."""
    count = 0
    about = {"batch": batch, "made": made, "author": author, "purged": False}
    for part in chunks(sorted(set(ids))):
        rows = connection.execute(sa.select(items).where(items.c.id.in_(part))).mappings().all()
        if rows:
            kept = [{name: row[name] for name in COLUMNS} | {"item": row["id"]} | about for row in rows]
            connection.execute(removals.insert(), kept)
            count += relocation.delete(connection, [row["id"] for row in rows], sequence)
    return count


def restore(connection: sa.Connection, batch: int, sequence: int) -> list[int]:
    """Make the removed items of a batch items again, with their old ids.

    Returns the ids of those that stay removed, because another item has their key now, or because their files were
    freed. Raises ``BundleMismatch`` if the model of the index has changed since.
    """
    rows = connection.execute(sa.select(removals).where(removals.c.batch == batch)).mappings().all()
    taken = additions.existing(connection, {(row["collection"], row["key"]) for row in rows})
    free = [row for row in rows if not row["purged"] and (row["collection"], row["key"]) not in taken]
    _check_vectors(connection, [row["sha256"] for row in free])
    ids = [row["item"] for row in free]
    for part in chunks(ids):
        connection.execute(tombstones.delete().where(tombstones.c.item.in_(part)))
        connection.execute(removals.delete().where(removals.c.item.in_(part)))
    if free:
        connection.execute(items.insert(), [_item(row, sequence) for row in free])
        note(connection, "item.restore", ids, {"batch": batch})
    for part in chunks(ids):
        found = connection.execute(sa.select(items).where(items.c.id.in_(part)))
        additions.put_values(connection, [additions.item_of(row) for row in found])
    back = set(ids)
    return [row["item"] for row in rows if row["item"] not in back]


def purge(connection: sa.Connection, before: float) -> int:
    """Give up the files of items that were removed ``before`` a time, in seconds since the epoch. Returns the number.

    The rows stay, so that a sync does not add the pictures again.
    """
    old = sa.and_(removals.c.made < before, sa.not_(removals.c.purged))
    found = list(connection.execute(sa.select(removals.c.sha256).where(old)).scalars())
    connection.execute(removals.update().where(old).values(purged=True))
    additions.delete_unused_vectors(connection, set(found))
    return len(found)


def restorable(connection: sa.Connection) -> set[str]:
    """The sha256 of removed items that can be restored."""
    return set(connection.execute(sa.select(removals.c.sha256).where(sa.not_(removals.c.purged))).scalars())


def batches(connection: sa.Connection) -> list[RemovedItems]:
    """The batches with removed items."""
    query = sa.select(removals.c.batch, sa.func.min(removals.c.made), sa.func.min(removals.c.author), sa.func.count())
    return [RemovedItems(*row) for row in connection.execute(query.group_by(removals.c.batch))]


def removed(connection: sa.Connection, collection: str) -> list[tuple[str, str]]:
    """Key and sha256 of each removed item of a collection."""
    query = sa.select(removals.c.key, removals.c.sha256).where(removals.c.collection == collection)
    return [(row.key, row.sha256) for row in connection.execute(query.order_by(removals.c.item))]


def _item(row: sa.RowMapping, sequence: int) -> dict[str, Any]:
    return {name: row[name] for name in COLUMNS} | {"id": row["item"], "changed": sequence, "placed": sequence}


def _check_vectors(connection: sa.Connection, sha256s: Sequence[str]) -> None:
    live = sa.select(models.c.id).join(state, state.c.model == models.c.name).scalar_subquery()
    for part in chunks(sha256s):
        query = sa.select(vectors.c.sha256).where(vectors.c.model == live, vectors.c.sha256.in_(part))
        if missing := set(part) - set(connection.execute(query).scalars()):
            raise BundleMismatch(
                f"the index has changed to another bundle since these pictures were removed, and has no vectors of "
                f"{len(missing):,} of them; add their files again"
            )
        connection.execute(orphans.delete().where(orphans.c.sha256.in_(part)))
