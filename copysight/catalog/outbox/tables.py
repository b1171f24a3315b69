"""The tables of the outbox (since version 7): webhooks, events, and the deliveries of events to webhooks."""

import sqlalchemy as sa

from copysight.catalog.engines.types import RowId, text
from copysight.catalog.schema import metadata

# `types`: JSON list of the types of events that are sent; empty: all. `secret` signs what is sent. `fault`: why the
# service disabled it.
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("url", text(), nullable=False),
    sa.Column("types", sa.JSON, nullable=False),
    sa.Column("secret", text(128), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("note", text(), nullable=False),
    sa.Column("fault", text()),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("author", text(255)),
    sqlite_autoincrement=True,
)

# What happened, written with its cause. `name` goes with every attempt, so that receivers know repetitions. Events of
# one `item` are delivered in their order; 0: of no item. `body`: JSON, as it is sent.
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("name", text(40), nullable=False),
    sa.Column("type", text(64), nullable=False),
    sa.Column("item", RowId, nullable=False),
    sa.Column("made", sa.Double, nullable=False, index=True),
    sa.Column("body", text(), nullable=False),
    sqlite_autoincrement=True,
)

# `state`: pending, delivered or failed. `due`: when to try next. `attempts` count from the last replay on.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("webhook", RowId, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("event", RowId, sa.ForeignKey("events.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("item", RowId, nullable=False),
    sa.Column("state", text(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", sa.Double, nullable=False),
    sa.Column("tried", sa.Double),
    sa.Column("status", sa.Integer),
    sa.Column("error", text()),
    sa.UniqueConstraint("webhook", "event"),
    sa.Index("deliveries_due", "state", "due"),
    sa.Index("deliveries_item", "webhook", "item", "state", "event"),
)
