"""Steps from the versions 1 to 7 of the catalog, which only SQLite has had, to the next one.

They are written in plain SQL, because they must not change when the tables of the catalog change again.
"""

import json
from typing import Any

import sqlalchemy as sa

from copysight.catalog.engines.sqlite.guards import append_only


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


_DECISION_TRAIL = """
CREATE TABLE audit (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, made DOUBLE NOT NULL, author VARCHAR(255),
    action VARCHAR(64) NOT NULL, first INTEGER, last INTEGER, entry TEXT NOT NULL, hash VARCHAR(64) NOT NULL);
CREATE INDEX audit_first ON audit (first);
CREATE INDEX ix_audit_made ON audit (made);
CREATE TABLE key_usage ("key" VARCHAR(16) NOT NULL, day VARCHAR(10) NOT NULL, requests BIGINT NOT NULL,
    latest DOUBLE NOT NULL, PRIMARY KEY ("key", day));
CREATE TABLE webhooks (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, types JSON NOT NULL,
    secret VARCHAR(128) NOT NULL, enabled BOOLEAN NOT NULL, note TEXT NOT NULL, fault TEXT, created DOUBLE NOT NULL,
    author VARCHAR(255));
CREATE TABLE events (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name VARCHAR(40) NOT NULL,
    type VARCHAR(64) NOT NULL, item INTEGER NOT NULL, made DOUBLE NOT NULL, body TEXT NOT NULL);
CREATE INDEX ix_events_made ON events (made);
CREATE TABLE deliveries (id INTEGER NOT NULL, webhook INTEGER NOT NULL, event INTEGER NOT NULL, item INTEGER NOT NULL,
    state VARCHAR(16) NOT NULL, attempts INTEGER NOT NULL, due DOUBLE NOT NULL, tried DOUBLE, status INTEGER,
    error TEXT, PRIMARY KEY (id), UNIQUE (webhook, event),
    FOREIGN KEY(webhook) REFERENCES webhooks (id) ON DELETE CASCADE,
    FOREIGN KEY(event) REFERENCES events (id) ON DELETE CASCADE);
CREATE INDEX deliveries_due ON deliveries (state, due);
CREATE INDEX deliveries_item ON deliveries (webhook, item, state, event);
CREATE INDEX ix_deliveries_event ON deliveries (event);
CREATE TABLE reviews (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "match" INTEGER NOT NULL,
    list VARCHAR(255) NOT NULL, item INTEGER NOT NULL, sha256 VARCHAR(64) NOT NULL, "query" VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL, opened DOUBLE NOT NULL, assignee VARCHAR(255), claimed_by VARCHAR(255),
    claimed_until DOUBLE, closed DOUBLE, closed_by VARCHAR(255), outcome VARCHAR(16), decision INTEGER,
    reason TEXT NOT NULL);
CREATE INDEX ix_reviews_match ON reviews ("match");
CREATE INDEX ix_reviews_item ON reviews (item);
CREATE INDEX reviews_state ON reviews (state, id);
CREATE INDEX reviews_query ON reviews ("query", list);
ALTER TABLE lists ADD COLUMN announced DOUBLE;
ALTER TABLE entries ADD COLUMN announced DOUBLE;
UPDATE lists SET announced = expires WHERE expires <= unixepoch();
UPDATE entries SET announced = expires WHERE expires <= unixepoch()
"""


def _add_audit_outbox_and_reviews(connection: sa.Connection) -> None:
    for statement in _DECISION_TRAIL.split(";"):
        connection.execute(sa.text(statement))
    for trigger in append_only("audit"):
        connection.execute(sa.text(trigger))


_HASHES_AND_RECENT = """
CREATE TABLE hashes (sha256 VARCHAR(64) NOT NULL, type VARCHAR(32) NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (sha256, type));
CREATE TABLE signals (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, list VARCHAR(255) NOT NULL,
    type VARCHAR(32) NOT NULL, value TEXT NOT NULL, disabled BOOLEAN NOT NULL, added DOUBLE NOT NULL);
CREATE INDEX ix_signals_list ON signals (list);
CREATE TABLE banks (list VARCHAR(255) NOT NULL, ratio DOUBLE NOT NULL, PRIMARY KEY (list));
CREATE TABLE recent_queries (sha256 VARCHAR(64) NOT NULL, model VARCHAR(64) NOT NULL, vector BLOB NOT NULL,
    seen DOUBLE NOT NULL, PRIMARY KEY (sha256, model));
CREATE INDEX ix_recent_queries_seen ON recent_queries (seen)
"""


def _add_hashes_and_recent_queries(connection: sa.Connection) -> None:
    for statement in _HASHES_AND_RECENT.split(";"):
        connection.execute(sa.text(statement))


STEPS = {
    1: _add_coming_model,
    2: _add_identity_files_and_residual,
    3: _add_information,
    4: _add_decisions_and_removals,
    5: _add_facts_of_files_and_moderation,
    6: _add_audit_outbox_and_reviews,
    7: _add_hashes_and_recent_queries,
}
"""Step n changes a catalog of version n to version n + 1, inside the given transaction."""
