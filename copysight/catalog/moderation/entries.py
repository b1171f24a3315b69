"""Entries: what is noted about an item, and whether it is disabled or expired, without being deleted."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

import sqlalchemy as sa

from copysight.catalog.engines.portable import one_of
from copysight.catalog.moderation.lists import check_note, check_time
from copysight.catalog.moderation.tables import entries
from copysight.catalog.schema import items
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.system import storable

State = Literal["disabled", "expired", "quarantined"]
STATES: tuple[State, ...] = get_args(State)
MOST_LABELS, LONGEST_LABEL = 64, 255


@dataclass(frozen=True)
class Entry:
    """What is noted about an item. An item that is ``disabled``, or whose time ``expires`` has passed, matches nothing.

    ``expires`` is in seconds since the epoch. ``quarantined``: since when its matches decide nothing, because it
    matches too much, and ``reason`` why; None: not. ``released``: when it last left quarantine. Raises
    ``InvalidArgument``.
    """

    disabled: bool = False
    expires: float | None = None
    note: str = ""
    labels: tuple[str, ...] = ()
    quarantined: float | None = None
    reason: str | None = None
    released: float | None = None

    def __post_init__(self) -> None:
        check_time("expires", self.expires)
        check_note(self.note)
        if len(self.labels) > MOST_LABELS:
            raise InvalidArgument(f"got {len(self.labels)} labels; an item may have {MOST_LABELS}")
        for label in self.labels:
            storable.check_text(label, "label", LONGEST_LABEL)

    @classmethod
    def of(cls, row: sa.RowMapping) -> Self:
        """From a row of the table."""
        return cls(**{one.name: row[one.name] for one in fields(cls)} | {"labels": tuple(row["labels"])})


@dataclass(frozen=True)
class Hidden:
    """An item that matches nothing from the time ``since`` on, in seconds since the epoch; 0 if it is disabled."""

    item: int
    since: float


UNNOTED = Entry()
"""The entry of an item about which nothing is noted."""


def change(
    connection: sa.Connection, item: int, changes: Mapping[str, Any], sequence: int, now: float, author: str | None
) -> Entry:
    """Change fields of an item's entry. Raises ``ItemNotFound``, ``InvalidArgument``."""
    if not connection.execute(items.update().where(items.c.id == item).values(changed=sequence)).rowcount:
        raise ItemNotFound(f"there is no item {item}; perhaps it was deleted", id=item)
    before = connection.execute(sa.select(entries).where(entries.c.item == item)).mappings().first()
    entry = replace(UNNOTED if before is None else Entry.of(before), **changes)
    row = asdict(entry) | {"labels": list(entry.labels), "changed": now, "author": author}
    if before is None:
        connection.execute(entries.insert().values(**row, item=item))
    else:
        connection.execute(entries.update().where(entries.c.item == item).values(**row))
    return entry


def read(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Entry]:
    """The entries of some items, by item; those without one are absent."""
    query = sa.select(entries).where(one_of(entries.c.item, [int(one) for one in ids]))
    return {row["item"]: Entry.of(row) for row in connection.execute(query).mappings()}


def hidden(connection: sa.Connection) -> list[Hidden]:
    """All items that are disabled, or expire at some time."""
    query = sa.select(entries.c.item, entries.c.disabled, entries.c.expires)
    found = connection.execute(query.where(sa.or_(entries.c.disabled, entries.c.expires.is_not(None))))
    return [Hidden(row.item, 0.0 if row.disabled else row.expires) for row in found]


def quarantined(connection: sa.Connection) -> list[int]:
    """The items that are in quarantine."""
    return list(connection.execute(sa.select(entries.c.item).where(entries.c.quarantined.is_not(None))).scalars())


def page(
    connection: sa.Connection, state: State, collection: str | None, after: int, limit: int, now: float
) -> list[int]:
    """Ids above ``after`` of at most ``limit`` items in a state at the time ``now``, ascending."""
    of = _condition(state, now)
    query = sa.select(items.c.id).join(entries, entries.c.item == items.c.id).where(of, items.c.id > after)
    query = query if collection is None else query.where(items.c.collection == collection)
    return list(connection.execute(query.order_by(items.c.id).limit(limit)).scalars())


def count(connection: sa.Connection, state: State, now: float) -> dict[str, int]:
    """The number of items in a state at the time ``now``, by collection."""
    of = _condition(state, now)
    query = sa.select(items.c.collection, sa.func.count()).join(entries, entries.c.item == items.c.id).where(of)
    return {name: int(number) for name, number in connection.execute(query.group_by(items.c.collection))}


def _condition(state: State, now: float) -> sa.ColumnElement[bool]:
    if state == "disabled":
        return entries.c.disabled.is_(True)
    return entries.c.quarantined.is_not(None) if state == "quarantined" else entries.c.expires <= now
