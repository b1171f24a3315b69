"""Create catalogs of earlier versions. The SQL is that of the earlier program and never changes."""

import sqlite3
from pathlib import Path

VERSION_1 = """
CREATE TABLE state (id INTEGER NOT NULL CHECK (id = 1), version INTEGER NOT NULL, sequence BIGINT NOT NULL,
    horizon BIGINT NOT NULL, model VARCHAR(64) NOT NULL, variant VARCHAR(32) NOT NULL, policy VARCHAR(16) NOT NULL,
    PRIMARY KEY (id));
CREATE TABLE items (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, collection VARCHAR(255) NOT NULL,
    "key" TEXT NOT NULL, sha256 VARCHAR(64) NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    metadata JSON NOT NULL, source TEXT, changed BIGINT NOT NULL, placed BIGINT NOT NULL, UNIQUE (collection, "key"));
CREATE INDEX ix_items_placed ON items (placed);
CREATE INDEX ix_items_sha256 ON items (sha256);
CREATE TABLE models (id INTEGER NOT NULL, name VARCHAR(64) NOT NULL, dimension INTEGER, PRIMARY KEY (id),
    UNIQUE (name));
CREATE TABLE tombstones (item INTEGER NOT NULL, sequence BIGINT NOT NULL, PRIMARY KEY (item));
CREATE INDEX ix_tombstones_sequence ON tombstones (sequence);
CREATE TABLE orphans (sha256 VARCHAR(64) NOT NULL, PRIMARY KEY (sha256));
CREATE TABLE fields (name VARCHAR(255) NOT NULL, PRIMARY KEY (name));
CREATE TABLE cluster_names (cluster BIGINT NOT NULL, name VARCHAR(255) NOT NULL, PRIMARY KEY (cluster));
CREATE TABLE jobs (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, kind VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL, progress BIGINT NOT NULL, total BIGINT NOT NULL, message TEXT NOT NULL,
    created DOUBLE NOT NULL, updated DOUBLE NOT NULL);
CREATE TABLE vectors (id INTEGER NOT NULL, sha256 VARCHAR(64) NOT NULL, model INTEGER NOT NULL,
    sequence BIGINT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (id), UNIQUE (sha256, model),
    FOREIGN KEY(model) REFERENCES models (id));
CREATE INDEX vectors_model_sequence ON vectors (model, sequence);
CREATE TABLE field_values (id INTEGER NOT NULL, item INTEGER NOT NULL, field VARCHAR(255) NOT NULL, text TEXT,
    number DOUBLE, flag BOOLEAN, PRIMARY KEY (id), FOREIGN KEY(item) REFERENCES items (id) ON DELETE CASCADE,
    FOREIGN KEY(field) REFERENCES fields (name) ON DELETE CASCADE);
CREATE INDEX field_values_text ON field_values (field, text, item);
CREATE INDEX ix_field_values_item ON field_values (item);
CREATE INDEX field_values_number ON field_values (field, number, item);
CREATE INDEX field_values_flag ON field_values (field, flag, item);
"""


def as_version_1(catalog: Path) -> None:
    """Rewrite a closed catalog as version 1 would have written it: the same rows in the tables of version 1."""
    old = catalog.with_name("version-1.sqlite")
    with sqlite3.connect(old) as connection:
        connection.executescript(VERSION_1)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        connection.execute("ATTACH ? AS later", (str(catalog),))
        for table in tables:
            # This includes SQLite's table of the highest ids that were used.
            connection.execute(f"DELETE FROM {table}")
            names = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA table_info({table})"))
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM later.{table}")
        connection.execute("UPDATE state SET version = 1")
    connection.close()
    old.replace(catalog)


def outline(catalog: Path) -> dict[str, set[tuple[object, ...]]]:
    """Columns (name, type, not-null flag) of each table, and the columns of each index."""
    connection = sqlite3.connect(catalog)
    kinds = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
    found = {
        name: {row[1:4] if kind == "table" else row for row in connection.execute(f"PRAGMA {kind}_info({name})")}
        for kind, name in kinds
    }
    connection.close()
    return found
