"""Store and withdraw decisions about matches, with all that follows from them, in one transaction."""

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from copysight.catalog.audit.note import note
from copysight.catalog.moderation import decisions, entries, lists, matches, reviews
from copysight.catalog.moderation.changes import advance, change_entry, quarantine
from copysight.catalog.moderation.decisions import MatchDecision
from copysight.catalog.moderation.matches import Recorded
from copysight.catalog.outbox.events import emit
from copysight.catalog.schema import items
from copysight.errors import InvalidArgument, ItemNotFound

TOO_MANY = "matches were denied"
"""The end of the reason for which a denied item is in quarantine."""


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
    if made.decision == "deny" and (limit := _limit_reached(connection, made)) is not None:
        quarantine(connection, made.item, f"{limit:,} {TOO_MANY}", now)
    for closed in reviews.settle(connection, made, now, author):
        detail = {"review": closed.id, "outcome": closed.outcome, "decision": made.id}
        note(connection, "review.close", [closed.item], detail, author, now)
    return made


def withdraw(connection: sa.Connection, number: int, author: str | None, now: float) -> MatchDecision:
    """Remove a decision, as if it had not been made; an earlier one about the same pair counts again.

    Its review opens again, and its item leaves quarantine if only denials had brought it there, and too few are left.
    The audit trail keeps both the decision and its withdrawal. Raises ``ItemNotFound``.
    """
    gone = decisions.remove(connection, number)
    advance(connection)
    note(connection, "decision.withdraw", [gone.item], _detail(gone) | {"withdrawn": gone.decision}, author, now)
    emit(connection, "decision.withdrawn", gone.item, asdict(gone), now)
    entry = entries.read(connection, [gone.item]).get(gone.item, entries.UNNOTED)
    denied_often = entry.quarantined is not None and (entry.reason or "").endswith(TOO_MANY)
    if denied_often and _limit_reached(connection, gone) is None and _is_there(connection, gone.item):
        change_entry(connection, gone.item, {"quarantined": None, "reason": None}, now, author)
    for opened in reviews.reopen(connection, gone, decisions.latest(connection, gone), now, author):
        note(connection, "review.reopen", [opened.item], {"review": opened.id, "decision": gone.id}, author, now)
    return gone


def _limit_reached(connection: sa.Connection, made: MatchDecision) -> int | None:
    """The number of denials after which the list of a decision sends its item to quarantine; None: not reached."""
    limit = {one.list.name: one.list.denials for one in lists.read(connection)}.get(made.list or "")
    if limit is None:
        return None
    released = entries.read(connection, [made.item]).get(made.item, entries.UNNOTED).released or 0.0
    return limit if decisions.denials(connection, made.item, released) >= limit else None


def _is_there(connection: sa.Connection, item: int) -> bool:
    return connection.execute(sa.select(items.c.id).where(items.c.id == item)).first() is not None


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
