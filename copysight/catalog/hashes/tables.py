"""Tables for hashes and recent queries (since version 8): perceptual hashes of pictures, hashes without a picture."""

import sqlalchemy as sa

from copysight.catalog.engines.types import RowId, text
from copysight.catalog.schema import metadata

# Perceptual hashes of stored pictures, computed once. `value` is empty if a picture is too plain for a hash.
hashes = sa.Table(
    "hashes",
    metadata,
    sa.Column("sha256", text(64), primary_key=True),
    sa.Column("type", text(32), primary_key=True),
    sa.Column("value", text(), nullable=False),
)

# Hashes that were added to a list without a picture. `added`: seconds since the epoch.
signals = sa.Table(
    "signals",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("list", text(255), nullable=False, index=True),
    sa.Column("type", text(32), nullable=False),
    sa.Column("value", text(), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("added", sa.Double, nullable=False),
    sqlite_autoincrement=True,
)

# Lists of which only a share of the lookups is answered: `ratio`, 0..1.
banks = sa.Table(
    "banks",
    metadata,
    sa.Column("list", text(255), primary_key=True),
    sa.Column("ratio", sa.Double, nullable=False),
)

# Pictures that were searched for lately: checksum and float32 `vector` of the bundle `model`, and when: `seen`, in
# seconds since the epoch.
recent_queries = sa.Table(
    "recent_queries",
    metadata,
    sa.Column("sha256", text(64), primary_key=True),
    sa.Column("model", text(64), primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Column("seen", sa.Double, nullable=False, index=True),
)
