"""Store a decision about a match, with all that follows from it, in one transaction."""

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from copysight.catalog.audit.note import note
from copysight.catalog.moderation import decisions, entries, lists, matches, reviews
from copysight.catalog.moderation.changes import advance, quarantine
from copysight.catalog.moderation.decisions import MatchDecision
from copysight.catalog.moderation.matches import Recorded
from copysight.catalog.outbox.events import emit
from copysight.catalog.schema import items
from copysight.errors import InvalidArgument, ItemNotFound


@dataclass(frozen=True)
class NewMatchDecision:
    """A decision about a ``match`` by its number, or about the pair of a ``query`` (a sha256) and an ``item``."""

    decision: decisions.Name
    reason: str = ""
    match: int | None = None
    query: str | None = None
    item: int | None = None


def decide(connection: sa.Connection, new: NewMatchDecision, author: str | None, now: float) -> MatchDecision:
    """Store a decision, close its review, and put the item into quarantine if it was denied too often.

    Raises ``ItemNotFound``, ``InvalidArgument``.
    """
    decisions.check(new.decision, new.reason, new.query)
    made = decisions.put(connection, _pair(connection, new) | {"reason": new.reason, "made": now, "author": author})
    advance(connection)
    note(connection, f"decision.{made.decision}", [made.item], _detail(made), author, now)
    emit(connection, "decision.created", made.item, asdict(made), now)
    limits = {one.list.name: one.list.denials for one in lists.read(connection)}
    limit = limits.get(made.list or "")
    if made.decision == "deny" and limit is not None:
        released = entries.read(connection, [made.item]).get(made.item, entries.UNNOTED).released or 0.0
        if decisions.denials(connection, made.item, released) >= limit:
            quarantine(connection, made.item, f"{limit:,} matches were denied", now)
    for closed in reviews.settle(connection, made, now, author):
        detail = {"review": closed.id, "outcome": closed.outcome, "decision": made.id}
        note(connection, "review.close", [closed.item], detail, author, now)
    return made


def _detail(made: MatchDecision) -> dict[str, Any]:
    return {name: getattr(made, name) for name in ("list", "sha256", "query", "reason")} | {"decision": made.id}


def _pair(connection: sa.Connection, new: NewMatchDecision) -> dict[str, Any]:
    """The columns of a decision that name its pair."""
    found: Recorded | None = None
    if new.match is not None:
        found = matches.get(connection, new.match)
    elif new.item is not None and new.query is not None:
        found = matches.find(connection, new.item, new.query)
    else:
        raise InvalidArgument("got a decision about nothing; give the number of a `match`, or a `query` and an `item`")
    if found is not None:
        about = {name: getattr(found, name) for name in ("list", "item", "sha256", "query", "stated")}
        return about | {"decision": new.decision}
    row = connection.execute(sa.select(items.c.sha256).where(items.c.id == new.item)).first()
    if row is None:
        raise ItemNotFound(f"there is no item {new.item}; perhaps it was deleted", id=new.item)
    about = {"list": None, "item": new.item, "sha256": row.sha256, "query": new.query, "stated": None}
    return about | {"decision": new.decision}
