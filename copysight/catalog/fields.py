"""Declare filterable metadata fields, and store the values of items in them."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from copysight.catalog import sequence
from copysight.catalog.database import Database
from copysight.catalog.schema import fields, items, values
from copysight.errors import InvalidArgument

CHUNK = 1000


class Fields:
    """The metadata fields that filters may use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def names(self) -> tuple[str, ...]:
        """Declared fields, sorted."""
        with self._database.read() as connection:
            return names(connection)

    def declare(self, name: str) -> None:
        """Make a field filterable, for existing items too. Declaring a field twice is allowed."""
        if not name or len(name) > 255:
            raise InvalidArgument(f"got the field name {name!r}; it must have 1 to 255 characters")
        with self._database.write() as connection:
            if name in names(connection):
                return
            connection.execute(fields.insert().values(name=name))
            _insert_values(connection, name)
            sequence.advance(connection)

    def remove(self, name: str) -> None:
        """Make a field not filterable; the metadata stay. Raises ``InvalidArgument`` if it is not declared."""
        with self._database.write() as connection:
            connection.execute(values.delete().where(values.c.field == name))
            if not connection.execute(fields.delete().where(fields.c.name == name)).rowcount:
                raise InvalidArgument(f"{name!r} is not a declared field; the declared fields are {names(connection)}")
            sequence.advance(connection)


def names(connection: sa.Connection) -> tuple[str, ...]:
    """Declared fields, sorted."""
    return tuple(connection.execute(sa.select(fields.c.name).order_by(fields.c.name)).scalars())


def rows(item: int, metadata: Mapping[str, Any], declared: Collection[str]) -> Iterable[dict[str, Any]]:
    """Rows of the value table for one item: texts, finite numbers and booleans. Other values are not filterable."""
    for field in declared:
        content = metadata.get(field)
        for value in content if isinstance(content, list) else [content]:
            empty: dict[str, Any] = {"item": item, "field": field, "text": None, "number": None, "flag": None}
            if isinstance(value, bool):
                yield empty | {"flag": value}
            elif isinstance(value, int | float) and math.isfinite(value):
                yield empty | {"number": float(value)}
            elif isinstance(value, str):
                yield empty | {"text": value}


def _insert_values(connection: sa.Connection, name: str) -> None:
    after = 0
    while True:
        chunk = connection.execute(
            sa.select(items.c.id, items.c.metadata).where(items.c.id > after).order_by(items.c.id).limit(CHUNK)
        ).all()
        if not chunk:
            return
        if found := [row for item, metadata in chunk for row in rows(item, metadata, (name,))]:
            connection.execute(values.insert(), found)
        after = chunk[-1].id
