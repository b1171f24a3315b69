"""Deliveries of events to webhooks: which are due, in order for each item, and what came of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa

from copysight.catalog.engines.query import Query
from copysight.catalog.outbox.tables import deliveries, events, webhooks

State = Literal["pending", "delivered", "failed"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Due:
    """An event that a webhook must get now, for the ``attempts``-th time plus one."""

    delivery: int
    webhook: int
    url: str
    secret: str
    name: str
    body: str
    attempts: int


@dataclass(frozen=True)
class Delivery:
    """A delivery of an ``event``, whose ``name`` goes with every attempt, of a ``type``, about an ``item`` (0: none).

    ``due``: when it is tried next, ``tried``: when last; ``status`` and ``error`` say what came of that.
    """

    event: int
    name: str
    type: str
    item: int
    made: float
    state: State
    attempts: int
    due: float
    tried: float | None
    status: int | None
    error: str | None


@dataclass(frozen=True)
class Attempt:
    """What came of an attempt: the new ``state``, when to try again (``due``), and the answer's status or the error."""

    delivery: int
    state: State
    due: float
    status: int | None
    error: str | None


@dataclass(frozen=True)
class Replay:
    """Which events are delivered again: those above a number, made from a time on, of some types; empty: of all.

    ``failed``: only those that were given up.
    """

    after: int = 0
    since: float = 0.0
    types: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class Backlog:
    """The number of pending and of failed deliveries, and when the oldest event that is pending was made."""

    pending: int
    failed: int
    oldest: float | None


_earlier = deliveries.alias()
_HEADS = (
    sa.select(
        deliveries.c.id, deliveries.c.webhook, webhooks.c.url, webhooks.c.secret, events.c.name, events.c.body,
        deliveries.c.attempts,
    )
    .join(webhooks, webhooks.c.id == deliveries.c.webhook)
    .join(events, events.c.id == deliveries.c.event)
    .where(
        deliveries.c.state == "pending",
        webhooks.c.enabled,
        ~sa.exists().where(
            _earlier.c.webhook == deliveries.c.webhook, _earlier.c.item == deliveries.c.item,
            _earlier.c.state == "pending", _earlier.c.event < deliveries.c.event,
        ),
    )
    .order_by(deliveries.c.event)
)  # fmt: skip
"""The earliest pending event of each item and webhook: later ones wait for it, so that they arrive in order."""

ANY_DUE = Query(
    sa.select(deliveries.c.webhook)
    .distinct()
    .join(webhooks, webhooks.c.id == deliveries.c.webhook)
    .where(deliveries.c.state == "pending", deliveries.c.due <= sa.bindparam("now"), webhooks.c.enabled)
)
"""The webhooks to which something is pending, also if it waits for an earlier event."""


def due(connection: sa.Connection, webhook: int, now: float, limit: int) -> list[Due]:
    """At most ``limit`` deliveries to a webhook that are due now, of different items, the oldest events first."""
    query = _HEADS.where(deliveries.c.webhook == webhook, deliveries.c.due <= now).limit(limit)
    return [Due(*row) for row in connection.execute(query)]


def record(connection: sa.Connection, attempts: Iterable[Attempt], now: float) -> None:
    """Note what came of attempts."""
    for one in attempts:
        row = {"state": one.state, "due": one.due, "status": one.status, "error": one.error, "tried": now}
        here = deliveries.update().where(deliveries.c.id == one.delivery)
        connection.execute(here.values(**row, attempts=deliveries.c.attempts + 1))


def replay(connection: sa.Connection, webhook: int, asked: Replay, now: float) -> int:
    """Deliver events again. Returns their number. Events that are pending stay so."""
    wanted = sa.and_(events.c.id > asked.after, events.c.made >= asked.since)
    wanted = sa.and_(wanted, events.c.type.in_(asked.types)) if asked.types else wanted
    mine = sa.select(deliveries.c.event).where(deliveries.c.webhook == webhook)
    again = deliveries.update().where(deliveries.c.webhook == webhook, deliveries.c.state != "pending")
    again = again.where(deliveries.c.event.in_(sa.select(events.c.id).where(wanted)))
    again = again.where(deliveries.c.state == "failed") if asked.failed else again
    count = connection.execute(again.values(state="pending", attempts=0, due=now, error=None, status=None)).rowcount
    if asked.failed:
        return int(count)
    constants = [sa.literal(webhook), sa.literal("pending"), sa.literal(0), sa.literal(now)]
    missing = sa.select(events.c.id, events.c.item, *constants).where(wanted, events.c.id.not_in(mine))
    missing = missing.where(events.c.type != "webhook.test").order_by(events.c.id)
    columns = ["event", "item", "webhook", "state", "attempts", "due"]
    new = deliveries.insert().from_select(columns, missing).execution_options(preserve_rowcount=True)
    return int(count + connection.execute(new).rowcount)


def page(connection: sa.Connection, webhook: int, state: State | None, after: int, limit: int) -> list[Delivery]:
    """At most ``limit`` deliveries to a webhook of events above the number ``after``, ascending."""
    columns = (
        events.c.id, events.c.name, events.c.type, events.c.item, events.c.made, deliveries.c.state,
        deliveries.c.attempts, deliveries.c.due, deliveries.c.tried, deliveries.c.status, deliveries.c.error,
    )  # fmt: skip
    query = sa.select(*columns).join(deliveries, deliveries.c.event == events.c.id)
    query = query.where(deliveries.c.webhook == webhook, events.c.id > after).order_by(events.c.id).limit(limit)
    return [
        Delivery(*row)
        for row in connection.execute(query if state is None else query.where(deliveries.c.state == state))
    ]


def backlog(connection: sa.Connection, webhook: int | None = None) -> Backlog:
    """What is pending and what failed, for one webhook or for all enabled ones."""
    of = webhooks.c.enabled if webhook is None else webhooks.c.id == webhook
    query = sa.select(deliveries.c.state, sa.func.count(), sa.func.min(events.c.made))
    query = query.join(events, events.c.id == deliveries.c.event).join(webhooks, webhooks.c.id == deliveries.c.webhook)
    query = query.where(of, deliveries.c.state != "delivered").group_by(deliveries.c.state)
    found = {state: (int(count), oldest) for state, count, oldest in connection.execute(query)}
    pending, oldest = found.get("pending", (0, None))
    return Backlog(pending, found.get("failed", (0, None))[0], oldest)


def prune(connection: sa.Connection, before: float) -> int:
    """Delete events made before a time that no webhook waits for, and their deliveries. Returns their number."""
    waiting = sa.select(deliveries.c.event).where(deliveries.c.state == "pending")
    gone = events.delete().where(events.c.made < before, events.c.id.not_in(waiting))
    return int(connection.execute(gone).rowcount)
