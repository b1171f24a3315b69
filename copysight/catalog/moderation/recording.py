"""Store matches with lists, with all that follows from them, in one transaction: quarantine, reviews, events."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from copysight.catalog.moderation import entries, lists, matches, reviews
from copysight.catalog.moderation.changes import quarantine
from copysight.catalog.moderation.matches import NewMatch, Stored
from copysight.catalog.outbox.events import emit

HOUR = 3600.0


def record(connection: sa.Connection, new: Sequence[NewMatch], now: float, author: str | None) -> list[int]:
    """Store matches. Returns their numbers, in their order.

    A match is announced once, unless its item was in quarantine. An item that floods its list goes to quarantine. The
    best new match of a query with a list whose policy is `review` gets a review, unless its item is in quarantine, or
    the query is, byte for byte, on an `allow` list.
    """
    stored = [matches.put(connection, one, now, author) for one in new]
    quiet = _quarantined(connection, new)
    fresh = [(one, put) for one, put in zip(new, stored, strict=True) if put.is_new and one.item not in quiet]
    for one, put in fresh:
        emit(connection, "match.created", one.item, asdict(one) | {"match": put.number, "author": author}, now)
    quiet |= _flooding(connection, new, now)
    allowed = {one.query for one in new if one.policy == "allow" and one.query == one.sha256}
    waiting = [(one, put) for one, put in fresh if one.policy == "review" and one.item not in quiet]
    waiting.sort(key=lambda pair: -(1.0 if pair[0].probability is None else pair[0].probability))
    for one, put in waiting:
        if one.query not in allowed:
            reviews.open_for(connection, _row(one, put), now)
    return [put.number for put in stored]


def _row(one: NewMatch, put: Stored) -> dict[str, object]:
    return {"id": put.number, "list": one.list, "item": one.item, "sha256": one.sha256, "query": one.query}


def _quarantined(connection: sa.Connection, new: Sequence[NewMatch]) -> set[int]:
    known = entries.read(connection, {one.item for one in new})
    return {item for item, entry in known.items() if entry.quarantined is not None}


def _flooding(connection: sa.Connection, new: Sequence[NewMatch], now: float) -> set[int]:
    """Put the items that match too much into quarantine. Returns those that went."""
    limits = {one.list.name: one.list.flood for one in lists.read(connection)}
    gone = set()
    for item, name in sorted({(one.item, one.list) for one in new}):
        limit = limits.get(name)
        if limit is None:
            continue
        released = entries.read(connection, [item]).get(item, entries.UNNOTED).released or 0.0
        reason = f"more than {limit:,} pictures matched within an hour"
        if matches.count(connection, item, max(now - HOUR, released)) > limit and quarantine(
            connection, item, reason, now
        ):
            gone.add(item)
    return gone
