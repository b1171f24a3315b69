"""Declared filterable fields, and the values that items have in them."""

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
    """The fields of the metadata that filters may name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def names(self) -> tuple[str, ...]:
        """Declared fields, sorted."""
        with self._database.read() as connection:
            return names(connection)

    def declare(self, name: str) -> None:
        """Make a field filterable; the items that are there are read for it. Declaring twice is no fault."""
        if not name or len(name) > 255:
            raise InvalidArgument(f"got the field name {name!r}; 1 to 255 characters are needed")
        with self._database.write() as connection:
            if name in names(connection):
                return
            connection.execute(fields.insert().values(name=name))
            _read_all(connection, name)
            sequence.advance(connection)

    def remove(self, name: str) -> None:
        """Make a field plain metadata again. Raises ``InvalidArgument`` if it is not declared."""
        with self._database.write() as connection:
            connection.execute(values.delete().where(values.c.field == name))
            if not connection.execute(fields.delete().where(fields.c.name == name)).rowcount:
                raise InvalidArgument(f"{name!r} is no declared field; declared are {names(connection)}")
            sequence.advance(connection)


def names(connection: sa.Connection) -> tuple[str, ...]:
    """Declared fields, sorted."""
    return tuple(connection.execute(sa.select(fields.c.name).order_by(fields.c.name)).scalars())


def rows(item: int, metadata: Mapping[str, Any], declared: Collection[str]) -> Iterable[dict[str, Any]]:
    """Rows of the value table for one item: texts, finite numbers and flags; other values cannot be filtered by."""
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


def _read_all(connection: sa.Connection, name: str) -> None:
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
