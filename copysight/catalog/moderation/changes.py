"""Changes that several calls make: the change number of moderation, quarantine, and what the clock brings."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from copysight.catalog import sequence
from copysight.catalog.audit.note import note
from copysight.catalog.moderation import entries
from copysight.catalog.moderation.entries import Entry
from copysight.catalog.moderation.tables import entries as entry_rows
from copysight.catalog.moderation.tables import lists, moderation
from copysight.catalog.outbox.events import Type, emit
from copysight.catalog.schema import items


def advance(connection: sa.Connection) -> int:
    """Note a change of lists, entries or decisions; other processes see it by the change sequence of the catalog."""
    now = sequence.advance(connection)
    if not connection.execute(moderation.update().values(version=now)).rowcount:
        connection.execute(moderation.insert().values(id=1, version=now))
    return now


def change_entry(
    connection: sa.Connection, item: int, changes: Mapping[str, Any], now: float, author: str | None
) -> Entry:
    """Change fields of an item's entry. Raises ``ItemNotFound``, ``InvalidArgument``."""
    before = entries.read(connection, [item]).get(item, entries.UNNOTED)
    entry = entries.change(connection, item, changes, advance(connection), now, author)
    detail = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}
    note(connection, "item.change", [item], detail, author, now)
    if (before.quarantined is None) != (entry.quarantined is None):
        kind: Type = "item.released" if entry.quarantined is None else "item.quarantined"
        emit(connection, kind, item, {"item": item, "reason": entry.reason, "author": author}, now)
    return entry


def quarantine(connection: sa.Connection, item: int, reason: str, now: float) -> bool:
    """Put an item into quarantine, unless it is there or was deleted. Returns whether it did."""
    known = connection.execute(sa.select(items.c.id).where(items.c.id == item)).first()
    if known is None or entries.read(connection, [item]).get(item, entries.UNNOTED).quarantined is not None:
        return False
    change_entry(connection, item, {"quarantined": now, "reason": reason}, now, None)
    return True


def expired(table: sa.Table, now: sa.ColumnElement[float]) -> sa.Select[Any]:
    """Select times of ``table`` (entries or lists) that have passed, and whose event was not written."""
    late = sa.and_(table.c.expires <= now, table.c.announced.is_distinct_from(table.c.expires))
    return sa.select(table.c.expires).where(late)


def announce_expired(connection: sa.Connection, now: float) -> int:
    """Write an event for each item and list whose time has come, once for each time. Returns their number."""
    count = 0
    late = sa.and_(entry_rows.c.expires <= now, entry_rows.c.announced.is_distinct_from(entry_rows.c.expires))
    columns = (entry_rows.c.item, entry_rows.c.expires, items.c.collection, items.c.key, items.c.sha256)
    found = sa.select(*columns).join(items, items.c.id == entry_rows.c.item).where(late).order_by(entry_rows.c.expires)
    for row in connection.execute(found).mappings().all():
        emit(connection, "item.expired", row["item"], dict(row), now)
        mine = entry_rows.update().where(entry_rows.c.item == row["item"])
        connection.execute(mine.values(announced=row["expires"]))
        count += 1
    over = sa.and_(lists.c.expires <= now, lists.c.announced.is_distinct_from(lists.c.expires))
    for name, expires in connection.execute(sa.select(lists.c.name, lists.c.expires).where(over)).all():
        emit(connection, "list.expired", None, {"list": name, "expires": expires}, now)
        connection.execute(lists.update().where(lists.c.name == name).values(announced=expires))
        count += 1
    return count
