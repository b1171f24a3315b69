"""Copy the rows of a catalog from one engine to another."""

from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from copysight.catalog.engines.engine import Engine
from copysight.catalog.engines.sqlite import creation
from copysight.catalog.engines.sqlite.engine import SqliteEngine

CHUNK = 1000


class Target(Protocol):
    """An engine that continues the ids of another one."""

    def set_highest_id(self, connection: sa.Connection, table: str, number: int) -> None:
        """Issue no id up to ``number`` for new rows of ``table``."""


def to_file(source: Engine, path: Path, identity: str, tables: sa.MetaData) -> None:
    """Write one state of a catalog to a new SQLite file, which gets an ``identity`` of its own."""
    creation.create(path, lambda connection: tables.create_all(connection, checkfirst=False))
    target = SqliteEngine(path)
    try:
        with source.reading() as reader, target.writing(alone=True) as writer:
            copy_rows(source, reader, target, writer, tables)
            writer.execute(tables.tables["state"].update().values(identity=identity))
        target.make_single_file()
    finally:
        target.close()


def copy_rows(
    source: Engine, reader: sa.Connection, target: Target, writer: sa.Connection, tables: sa.MetaData
) -> None:
    """Copy all rows of all tables, and the ids that must not be issued again."""
    for table in tables.sorted_tables:
        found = reader.execute(sa.select(table), execution_options={"yield_per": CHUNK}).mappings()
        for part in found.partitions():
            writer.execute(table.insert(), [dict(row) for row in part])
        if "id" in table.c and table.c.id.autoincrement is True:
            largest = int(reader.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0)
            target.set_highest_id(writer, table.name, max(largest, source.highest_id(reader, table.name)))
