"""The tables of the audit trail (since version 7), which only grows, and of the usage of keys."""

import sqlalchemy as sa

from copysight.catalog.engines.postgresql import ddl
from copysight.catalog.engines.sqlite import guards as sqlite
from copysight.catalog.engines.types import RowId, text
from copysight.catalog.schema import metadata

# One row for each change. `entry` is canonical JSON with everything about it; the other columns repeat parts of it for
# filters: `first` and `last` are the lowest and highest of its items. `hash` is over the previous hash and `entry`.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("made", sa.Double, nullable=False, index=True),
    sa.Column("author", text(255)),
    sa.Column("action", text(64), nullable=False),
    sa.Column("first", RowId),
    sa.Column("last", RowId),
    sa.Column("entry", text(), nullable=False),
    sa.Column("hash", text(64), nullable=False),
    sa.Index("audit_first", "first"),
    sqlite_autoincrement=True,
)

# Requests of a key, by its id and the day (UTC, as 2026-11-28). `latest`: seconds since the epoch.
key_usage = sa.Table(
    "key_usage",
    metadata,
    sa.Column("key", text(16), primary_key=True),
    sa.Column("day", text(10), primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("latest", sa.Double, nullable=False),
)

for guard in sqlite.append_only(audit.name):
    sa.event.listen(audit, "after_create", sa.DDL(guard).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
ddl.after_create(audit, ddl.append_only(audit.name))
