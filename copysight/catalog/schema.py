"""The tables of the catalog."""

import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from copysight.catalog.engines.postgresql import ddl
from copysight.catalog.engines.types import RowId, text

VERSION = 9

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
    sa.Column("model", text(64), nullable=False),
    sa.Column("variant", text(32), nullable=False),
    sa.Column("policy", text(16), nullable=False),
    sa.Column("coming_model", text(64)),
    sa.Column("coming_variant", text(32)),
    sa.Column("identity", text(32)),
)

# `changed` is the sequence of the last change of any kind, `placed` that of the last change of the picture. `files`
# (since version 3) says whether the thumbnail, and by the policy the original, were stored; NULL: not known.
# `information` (since version 4): how much the picture holds, 0..1; NULL: not known. `bytes`, `taken` and `camera`
# (since version 6): size of the file, and date and camera by its EXIF; NULL: not known.
items = sa.Table(
    "items",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("collection", text(255), nullable=False),
    sa.Column("key", text(), nullable=False),
    sa.Column("sha256", text(64), nullable=False, index=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("source", text()),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("placed", sa.BigInteger, nullable=False, index=True),
    sa.Column("files", sa.Boolean),
    sa.Column("information", sa.Double),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("taken", text(19)),
    sa.Column("camera", text()),
    sa.Index("items_taken", "taken"),
    sa.UniqueConstraint("collection", "key").ddl_if(dialect="sqlite"),  # of PostgreSQL: `ddl.long_key`
    sqlite_autoincrement=True,
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", text(64), nullable=False, unique=True),
    sa.Column("dimension", sa.Integer),
)

# One vector per sha256 and model, shared by all items with this sha256: D float32 numbers, little-endian.
vectors = sa.Table(
    "vectors",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("sha256", text(64), nullable=False),
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
orphans = sa.Table("orphans", metadata, sa.Column("sha256", text(64), primary_key=True))

fields = sa.Table("fields", metadata, sa.Column("name", text(255), primary_key=True))

# Values of filterable fields. Each value is one row, in the column of its type; a list in the metadata is several rows.
# A number is exactly `number` + `residual` (since version 3; NULL: 0): integers beyond 2^53 are rounded in `number`.
values = sa.Table(
    "field_values",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("item", RowId, sa.ForeignKey("items.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("field", text(255), sa.ForeignKey("fields.name", ondelete="CASCADE"), nullable=False),
    sa.Column("text", text()),
    sa.Column("number", sa.Double),
    sa.Column("flag", sa.Boolean),
    sa.Column("residual", sa.BigInteger),
    sa.Index("field_values_text", "field", "text", "item").ddl_if(dialect="sqlite"),  # of PostgreSQL: `ddl.long_text`
    sa.Index("field_values_number", "field", "number", "item"),
    sa.Index("field_values_flag", "field", "flag", "item"),
)

cluster_names = sa.Table(
    "cluster_names",
    metadata,
    sa.Column("cluster", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", text(255), nullable=False),
)

# Pictures that people have moved to another cluster (since version 9).
cluster_moves = sa.Table(
    "cluster_moves",
    metadata,
    sa.Column("sha256", text(64), primary_key=True),
    sa.Column("cluster", sa.BigInteger, nullable=False),
)

# What people decided about copies (since version 5), by the sha256 of the pictures, so that it survives moves. `batch`
# is what is undone at once. A picture that occurs twice in a decision stands for two items of equal bytes.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("batch", sa.BigInteger, nullable=False, index=True),
    sa.Column("decision", text(16), nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("author", text(255)),
    sqlite_autoincrement=True,
)

# `kept`: the picture that a decision `keep` chose.
decision_members = sa.Table(
    "decision_members",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("decision", RowId, sa.ForeignKey("decisions.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("sha256", text(64), nullable=False),
    sa.Column("kept", sa.Boolean, nullable=False),
)

# Items that were removed as copies (since version 5) and can be restored; `purged`: not any more, their files are gone.
removals = sa.Table(
    "removals",
    metadata,
    sa.Column("item", RowId, primary_key=True, autoincrement=False),
    sa.Column("batch", sa.BigInteger, nullable=False, index=True),
    sa.Column("collection", text(255), nullable=False),
    sa.Column("key", text(), nullable=False),
    sa.Column("sha256", text(64), nullable=False, index=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("source", text()),
    sa.Column("files", sa.Boolean),
    sa.Column("information", sa.Double),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("taken", text(19)),
    sa.Column("camera", text()),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("author", text(255)),
    sa.Column("purged", sa.Boolean, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("kind", text(64), nullable=False),
    sa.Column("state", text(16), nullable=False),
    sa.Column("progress", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("message", text(), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("updated", sa.Double, nullable=False),
    sqlite_autoincrement=True,
)

ddl.after_create(state, ddl.announced(state.name))
ddl.after_create(items, ddl.long_key(items.name))
ddl.after_create(values, ddl.long_text(values.name))


@dataclass(frozen=True)
class Rounded:
    """An integer as the nearest float64 and what that is short of it: ``int(number) + residual``."""

    number: float
    residual: int


def rounded(value: float) -> Rounded:
    """A number of at most 64 bits in the columns `number` and `residual`; equal numbers are equal in both."""
    number = float(value)
    return Rounded(number, int(value) - int(number) if isinstance(value, int) else 0)


def create(connection: sa.Connection, model: str, variant: str, policy: str) -> None:
    """Create the tables of an empty catalog."""
    metadata.create_all(connection, checkfirst=False)
    first = {"id": 1, "version": VERSION, "sequence": 0, "horizon": 0}
    connection.execute(state.insert().values(**first, model=model, variant=variant, policy=policy, identity=identity()))


def identity() -> str:
    """A new identity of a catalog."""
    return secrets.token_hex(16)
