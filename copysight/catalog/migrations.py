"""Migrations of the catalog from older versions."""

from collections.abc import Callable

import sqlalchemy as sa

from copysight.catalog.database import Database
from copysight.catalog.engines.sqlite import history
from copysight.errors import IndexCorrupt, NotWritable

# Migration n changes a catalog of version n to version n + 1, inside the given transaction. PostgreSQL begins with
# version 8: a migration from there on runs on every engine. It is written in plain SQL that all of them know, or asks
# `connection.dialect.name`, because it must not change when the tables change again.
Migration = Callable[[sa.Connection], None]


def _add_cluster_moves(connection: sa.Connection) -> None:
    # Texts of PostgreSQL are compared by their bytes, see `engines/types.py`.
    kind = 'VARCHAR(64) COLLATE "C"' if connection.dialect.name == "postgresql" else "VARCHAR(64)"
    columns = f"sha256 {kind} NOT NULL, cluster BIGINT NOT NULL, PRIMARY KEY (sha256)"
    connection.execute(sa.text(f"CREATE TABLE cluster_moves ({columns})"))


MIGRATIONS: dict[int, Migration] = {**history.STEPS, 8: _add_cluster_moves}


def upgrade(database: Database, version: int, target: int) -> None:
    """Migrate a catalog of an older ``version``. Raises ``NotWritable``, ``IndexCorrupt``."""
    try:
        with database.write() as connection:
            migrate(connection, MIGRATIONS, target)
    except NotWritable as error:
        raise NotWritable(
            f"{database.path} has version {version} and must be migrated to version {target}, but it cannot be "
            "written; restore the index to a directory that can be (`copysight index restore`)"
        ) from error


def migrate(connection: sa.Connection, steps: dict[int, Migration], target: int) -> int:
    """Migrate the catalog to the version ``target`` in one transaction. Returns the version that it had.

    Raises ``IndexCorrupt`` if the version is later than ``target``, or if a migration is missing.
    """
    # Read only the column that every version has; an older table `state` lacks some of the others.
    found = int(connection.execute(sa.text("SELECT version FROM state WHERE id = 1")).scalar_one())
    if found > target:
        raise IndexCorrupt(f"the catalog has version {found}, this program reads up to {target}; upgrade Copysight")
    for version in range(found, target):
        if version not in steps:
            raise IndexCorrupt(f"there is no migration from version {version}; use a Copysight version that reads it")
        steps[version](connection)
    if found != target:
        connection.execute(sa.text("UPDATE state SET version = :v WHERE id = 1"), {"v": target})
    return found
