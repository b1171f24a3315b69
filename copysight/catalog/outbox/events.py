"""Events: what happened, as webhooks hear of it. They are written in the transaction of their cause."""

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import sqlalchemy as sa

from copysight.catalog.audit.note import timestamp
from copysight.catalog.outbox.tables import deliveries, events, webhooks

Type = Literal[
    "match.created",
    "decision.created",
    "decision.withdrawn",
    "item.quarantined",
    "item.released",
    "item.expired",
    "list.expired",
    "review.opened",
    "review.closed",
    "webhook.test",
]
TYPES: tuple[Type, ...] = get_args(Type)
NO_ITEM = 0


def emit(connection: sa.Connection, kind: Type, item: int | None, data: Mapping[str, Any], now: float) -> int:
    """Write an event about an item, to be delivered to the enabled webhooks of its type. Returns its number.

    Its body is that of a Standard Webhook: ``{"type", "timestamp", "data"}``.
    """
    hooks = connection.execute(sa.select(webhooks.c.id, webhooks.c.types).where(webhooks.c.enabled)).all()
    return emit_to([one.id for one in hooks if not one.types or kind in one.types], connection, kind, item, data, now)


def emit_to(
    hooks: Iterable[int],
    connection: sa.Connection,
    kind: Type,
    item: int | None,
    data: Mapping[str, Any],
    now: float,
) -> int:
    """Write an event to be delivered to some webhooks. Returns its number."""
    body = json.dumps({"type": kind, "timestamp": timestamp(now), "data": dict(data)}, separators=(",", ":"))
    row = {"name": f"msg_{secrets.token_hex(12)}", "type": kind, "item": item or NO_ITEM, "made": now, "body": body}
    number = int(connection.execute(events.insert().values(**row)).inserted_primary_key[0])  # type: ignore[index]
    pending = {"event": number, "item": row["item"], "state": "pending", "attempts": 0, "due": now}
    if rows := [pending | {"webhook": hook} for hook in hooks]:
        connection.execute(deliveries.insert(), rows)
    return number
