"""The tables of the catalog, and the migrations from older versions."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from copysight.errors import IndexCorrupt

VERSION = 6

metadata = sa.MetaData()

# One row: the version of the schema, the change sequence, the sequence up to which tombstones have been removed, the
# live model, and the model that a re-embedding prepares (since version 2). The vectors of the latter are kept although
# no generation uses them yet. `identity` (since version 3) is a random text, another one in every copy of the catalog.
state = sa.Table(
    "state",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("horizon", sa.BigInteger, nullable=False),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("variant", sa.String(32), nullable=False),
    sa.Column("policy", sa.String(16), nullable=False),
    sa.Column("coming_model", sa.String(64)),
    sa.Column("coming_variant", sa.String(32)),
    sa.Column("identity", sa.String(32)),
)

# SQLite has 64-bit row ids only for INTEGER PRIMARY KEY. AUTOINCREMENT guarantees that no id is reused.
RowId = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# `changed` is the sequence of the last change of any kind, `placed` that of the last change of the picture. `files`
# (since version 3) says whether the thumbnail, and by the policy the original, were stored; NULL: not known.
# `information` (since version 4): how much the picture holds, 0..1; NULL: not known. `bytes`, `taken` and `camera`
# (since version 6): size of the file, and date and camera by its EXIF; NULL: not known.
items = sa.Table(
    "items",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("collection", sa.String(255), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("placed", sa.BigInteger, nullable=False, index=True),
    sa.Column("files", sa.Boolean),
    sa.Column("information", sa.Double),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("taken", sa.String(19)),
    sa.Column("camera", sa.Text),
    sa.Index("items_taken", "taken"),
    sa.UniqueConstraint("collection", "key"),
    sqlite_autoincrement=True,
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("dimension", sa.Integer),
)

# One vector per sha256 and model, shared by all items with this sha256: D float32 numbers, little-endian.
vectors = sa.Table(
    "vectors",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("model", sa.Integer, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("sha256", "model"),
    sa.Index("vectors_model_sequence", "model", "sequence"),
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("item", RowId, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, nullable=False, index=True),
)

# Pictures that no item uses any more, and whose files must still be removed.
orphans = sa.Table("orphans", metadata, sa.Column("sha256", sa.String(64), primary_key=True))

fields = sa.Table("fields", metadata, sa.Column("name", sa.String(255), primary_key=True))

# Values of filterable fields. Each value is one row, in the column of its type; a list in the metadata is several rows.
# A number is exactly `number` + `residual` (since version 3; NULL: 0): integers beyond 2^53 are rounded in `number`.
values = sa.Table(
    "field_values",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("item", RowId, sa.ForeignKey("items.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("field", sa.String(255), sa.ForeignKey("fields.name", ondelete="CASCADE"), nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("number", sa.Double),
    sa.Column("flag", sa.Boolean),
    sa.Column("residual", sa.BigInteger),
    sa.Index("field_values_text", "field", "text", "item"),
    sa.Index("field_values_number", "field", "number", "item"),
    sa.Index("field_values_flag", "field", "flag", "item"),
)

cluster_names = sa.Table(
    "cluster_names",
    metadata,
    sa.Column("cluster", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(255), nullable=False),
)

# What people decided about copies (since version 5), by the sha256 of the pictures, so that it survives moves. `batch`
# is what is undone at once. A picture that occurs twice in a decision stands for two items of equal bytes.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("batch", sa.BigInteger, nullable=False, index=True),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("author", sa.String(255)),
    sqlite_autoincrement=True,
)

# `kept`: the picture that a decision `keep` chose.
decision_members = sa.Table(
    "decision_members",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("decision", RowId, sa.ForeignKey("decisions.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("kept", sa.Boolean, nullable=False),
)

# Items that were removed as copies (since version 5) and can be restored; `purged`: not any more, their files are gone.
removals = sa.Table(
    "removals",
    metadata,
    sa.Column("item", RowId, primary_key=True, autoincrement=False),
    sa.Column("batch", sa.BigInteger, nullable=False, index=True),
    sa.Column("collection", sa.String(255), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("files", sa.Boolean),
    sa.Column("information", sa.Double),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("taken", sa.String(19)),
    sa.Column("camera", sa.Text),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("author", sa.String(255)),
    sa.Column("purged", sa.Boolean, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("progress", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("updated", sa.Double, nullable=False),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Rounded:
    """An integer as the nearest float64 and what that is short of it: ``int(number) + residual``."""

    number: float
    residual: int


def rounded(value: float) -> Rounded:
    """A number of at most 64 bits in the columns `number` and `residual`; equal numbers are equal in both."""
    number = float(value)
    return Rounded(number, int(value) - int(number) if isinstance(value, int) else 0)


def _add_coming_model(connection: sa.Connection) -> None:
    connection.execute(sa.text("ALTER TABLE state ADD COLUMN coming_model VARCHAR(64)"))
    connection.execute(sa.text("ALTER TABLE state ADD COLUMN coming_variant VARCHAR(32)"))


def _add_identity_files_and_residual(connection: sa.Connection) -> None:
    connection.execute(sa.text("ALTER TABLE state ADD COLUMN identity VARCHAR(32)"))
    connection.execute(sa.text("UPDATE state SET identity = lower(hex(randomblob(16)))"))
    connection.execute(sa.text("ALTER TABLE items ADD COLUMN files BOOLEAN"))
    connection.execute(sa.text("ALTER TABLE field_values ADD COLUMN residual BIGINT"))
    found = connection.execute(
        sa.text(
            "SELECT DISTINCT v.item, v.field, i.metadata FROM field_values v JOIN items i ON i.id = v.item "
            "WHERE abs(v.number) >= 9007199254740992"
        )
    ).all()
    for item, field, text in found:
        _split_large_numbers(connection, item, field, json.loads(text).get(field))


def _split_large_numbers(connection: sa.Connection, item: int, field: str, content: Any) -> None:
    row = {"item": item, "field": field}
    large = "item = :item AND field = :field AND abs(number) >= 9007199254740992"
    connection.execute(sa.text(f"DELETE FROM field_values WHERE {large}"), row)  # noqa: S608 - constant text
    insert = "INSERT INTO field_values (item, field, number, residual) VALUES (:item, :field, :number, :residual)"
    for value in content if isinstance(content, list) else [content]:
        integer = type(value) is int and -(2**63) <= value < 2**64
        if (integer or type(value) is float) and abs(value) >= 2**53:
            residual = value - int(float(value)) if integer else None
            connection.execute(sa.text(insert), row | {"number": float(value), "residual": residual})


def _add_information(connection: sa.Connection) -> None:
    connection.execute(sa.text("ALTER TABLE items ADD COLUMN information DOUBLE"))


_DECISIONS = """
CREATE TABLE decisions (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, batch BIGINT NOT NULL,
    decision VARCHAR(16) NOT NULL, made DOUBLE NOT NULL, author VARCHAR(255));
CREATE INDEX ix_decisions_batch ON decisions (batch);
CREATE TABLE decision_members (id INTEGER NOT NULL, decision INTEGER NOT NULL, sha256 VARCHAR(64) NOT NULL,
    kept BOOLEAN NOT NULL, PRIMARY KEY (id), FOREIGN KEY(decision) REFERENCES decisions (id) ON DELETE CASCADE);
CREATE INDEX ix_decision_members_decision ON decision_members (decision);
CREATE TABLE removals (item INTEGER NOT NULL, batch BIGINT NOT NULL, collection VARCHAR(255) NOT NULL,
    "key" TEXT NOT NULL, sha256 VARCHAR(64) NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    metadata JSON NOT NULL, source TEXT, files BOOLEAN, information DOUBLE, made DOUBLE NOT NULL, author VARCHAR(255),
    purged BOOLEAN NOT NULL, PRIMARY KEY (item));
CREATE INDEX ix_removals_batch ON removals (batch);
CREATE INDEX ix_removals_sha256 ON removals (sha256)
"""


def _add_decisions_and_removals(connection: sa.Connection) -> None:
    for statement in _DECISIONS.split(";"):
        connection.execute(sa.text(statement))


_MODERATION = """
CREATE TABLE moderation (id INTEGER NOT NULL CHECK (id = 1), version BIGINT NOT NULL, PRIMARY KEY (id));
CREATE TABLE lists (name VARCHAR(255) NOT NULL, policy VARCHAR(16) NOT NULL, action VARCHAR(255) NOT NULL,
    precision DOUBLE, expires DOUBLE, enabled BOOLEAN NOT NULL, note TEXT NOT NULL, flood INTEGER, denials INTEGER,
    changed DOUBLE NOT NULL, author VARCHAR(255), slope DOUBLE, intercept DOUBLE, samples INTEGER, PRIMARY KEY (name));
CREATE TABLE entries (item INTEGER NOT NULL, disabled BOOLEAN NOT NULL, expires DOUBLE, note TEXT NOT NULL,
    labels JSON NOT NULL, quarantined DOUBLE, reason TEXT, released DOUBLE, changed DOUBLE NOT NULL,
    author VARCHAR(255), PRIMARY KEY (item));
CREATE TABLE list_matches (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, list VARCHAR(255) NOT NULL,
    item INTEGER NOT NULL, sha256 VARCHAR(64) NOT NULL, "query" VARCHAR(64) NOT NULL, upload INTEGER, stated DOUBLE,
    probability DOUBLE, verdict VARCHAR(16) NOT NULL, policy VARCHAR(16) NOT NULL, action VARCHAR(255) NOT NULL,
    made DOUBLE NOT NULL, latest DOUBLE NOT NULL, times INTEGER NOT NULL, author VARCHAR(255), UNIQUE (item, "query"));
CREATE INDEX list_matches_item_made ON list_matches (item, made);
CREATE TABLE match_decisions (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, decision VARCHAR(16) NOT NULL,
    list VARCHAR(255), item INTEGER NOT NULL, sha256 VARCHAR(64) NOT NULL, "query" VARCHAR(64) NOT NULL, stated DOUBLE,
    reason TEXT NOT NULL, made DOUBLE NOT NULL, author VARCHAR(255));
CREATE INDEX ix_match_decisions_item ON match_decisions (item);
CREATE INDEX ix_match_decisions_sha256 ON match_decisions (sha256);
CREATE INDEX ix_match_decisions_query ON match_decisions ("query");
CREATE INDEX match_decisions_list ON match_decisions (list)
"""


def _add_facts_of_files_and_moderation(connection: sa.Connection) -> None:
    for table in ("items", "removals"):
        for column in ("bytes BIGINT", "taken VARCHAR(19)", "camera TEXT"):
            connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {column}"))
    connection.execute(sa.text("CREATE INDEX items_taken ON items (taken)"))
    for statement in _MODERATION.split(";"):
        connection.execute(sa.text(statement))


# Migration n changes a catalog of version n to version n + 1, inside the given transaction. It is written in plain SQL,
# because it must not change when the tables above change again.
Migration = Callable[[sa.Connection], None]
MIGRATIONS: dict[int, Migration] = {
    1: _add_coming_model,
    2: _add_identity_files_and_residual,
    3: _add_information,
    4: _add_decisions_and_removals,
    5: _add_facts_of_files_and_moderation,
}


def create(connection: sa.Connection, model: str, variant: str, policy: str) -> None:
    """Create the tables of an empty catalog."""
    metadata.create_all(connection)
    first = {"id": 1, "version": VERSION, "sequence": 0, "horizon": 0}
    connection.execute(state.insert().values(**first, model=model, variant=variant, policy=policy, identity=identity()))


def identity() -> str:
    """A new identity of a catalog."""
    return secrets.token_hex(16)


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
