"""The tables of moderation (since version 6): lists, notes about items, matches with lists, and decisions."""

import sqlalchemy as sa

from copysight.catalog.engines.types import RowId, text
from copysight.catalog.schema import metadata

# One row: the change sequence of the last change of lists, entries or decisions, by which readers know whether to read
# them again.
moderation = sa.Table(
    "moderation",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

# A list is a collection with a policy. Times are in seconds since the epoch. `slope` and `intercept` were learned from
# `samples` decisions; NULL: nothing yet. `announced` (since version 7): the time `expires` whose event was written.
lists = sa.Table(
    "lists",
    metadata,
    sa.Column("name", text(255), primary_key=True),
    sa.Column("policy", text(16), nullable=False),
    sa.Column("action", text(255), nullable=False),
    sa.Column("precision", sa.Double),
    sa.Column("expires", sa.Double),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("note", text(), nullable=False),
    sa.Column("flood", sa.Integer),
    sa.Column("denials", sa.Integer),
    sa.Column("changed", sa.Double, nullable=False),
    sa.Column("author", text(255)),
    sa.Column("slope", sa.Double),
    sa.Column("intercept", sa.Double),
    sa.Column("samples", sa.Integer),
    sa.Column("announced", sa.Double),
)

# What is noted about an item. Without a foreign key: an item that was removed as a copy can come back, with its entry.
# `quarantined`: since when, NULL: not; `reason`: why. Matches and denials count from `released` on.
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("item", RowId, primary_key=True, autoincrement=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("note", text(), nullable=False),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("quarantined", sa.Double),
    sa.Column("reason", text()),
    sa.Column("released", sa.Double),
    sa.Column("changed", sa.Double, nullable=False),
    sa.Column("author", text(255)),
    sa.Column("announced", sa.Double),
)

# Matches of queries with items of lists: one row for each item and `query`, a sha256. `stated`: the probability before
# the list's decisions correct it. `upload`: the item as which the query was added; NULL: it was only searched.
list_matches = sa.Table(
    "list_matches",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("list", text(255), nullable=False),
    sa.Column("item", RowId, nullable=False),
    sa.Column("sha256", text(64), nullable=False),
    sa.Column("query", text(64), nullable=False),
    sa.Column("upload", RowId),
    sa.Column("stated", sa.Double),
    sa.Column("probability", sa.Double),
    sa.Column("verdict", text(16), nullable=False),
    sa.Column("policy", text(16), nullable=False),
    sa.Column("action", text(255), nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("latest", sa.Double, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("author", text(255)),
    sa.UniqueConstraint("item", "query"),
    sa.Index("list_matches_item_made", "item", "made"),
    sqlite_autoincrement=True,
)

# What people decided about matches, by the sha256 of both pictures; the latest decision about a pair counts.
match_decisions = sa.Table(
    "match_decisions",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("decision", text(16), nullable=False),
    sa.Column("list", text(255)),
    sa.Column("item", RowId, nullable=False, index=True),
    sa.Column("sha256", text(64), nullable=False, index=True),
    sa.Column("query", text(64), nullable=False, index=True),
    sa.Column("stated", sa.Double),
    sa.Column("reason", text(), nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("author", text(255)),
    sa.Index("match_decisions_list", "list"),
    sqlite_autoincrement=True,
)

# Matches that people have to look at (since version 7): at most one open review for each list and query. `assignee` is
# who should do it, `claimed_by` who is at it until `claimed_until`. `outcome`: confirm, deny, or withdrawn.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("match", RowId, nullable=False, index=True),
    sa.Column("list", text(255), nullable=False),
    sa.Column("item", RowId, nullable=False, index=True),
    sa.Column("sha256", text(64), nullable=False),
    sa.Column("query", text(64), nullable=False),
    sa.Column("state", text(16), nullable=False),
    sa.Column("opened", sa.Double, nullable=False),
    sa.Column("assignee", text(255)),
    sa.Column("claimed_by", text(255)),
    sa.Column("claimed_until", sa.Double),
    sa.Column("closed", sa.Double),
    sa.Column("closed_by", text(255)),
    sa.Column("outcome", text(16)),
    sa.Column("decision", RowId),
    sa.Column("reason", text(), nullable=False),
    sa.Index("reviews_state", "state", "id"),
    sa.Index("reviews_query", "query", "list"),
    sqlite_autoincrement=True,
)
