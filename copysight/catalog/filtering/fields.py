"""Declare filterable metadata fields, and store the values of items in them."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from copysight.catalog import schema, sequence
from copysight.catalog.database import Database
from copysight.catalog.schema import fields, items, values
from copysight.errors import InvalidArgument
from copysight.system import storable

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
        storable.check_text(name, "field name", 255)
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
            if (columns := _columns(value)) is not None:
                empty = {"item": item, "field": field, "text": None, "number": None, "residual": None, "flag": None}
                yield empty | columns


def _columns(value: object) -> dict[str, Any] | None:
    """The columns of one value; None if no filter can find it. A catalog may hold values that are refused now."""
    if isinstance(value, bool):
        return {"flag": value}
    if isinstance(value, int):
        if not storable.LEAST <= value <= storable.MOST:
            return None
        exact = schema.rounded(value)
        return {"number": exact.number, "residual": exact.residual or None}
    if isinstance(value, float):
        return {"number": value} if math.isfinite(value) else None
    return {"text": value} if isinstance(value, str) and not storable.SURROGATES.search(value) else None


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
