"""Write entries of the audit trail, in the transaction of what they are about."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from copysight.catalog.audit import chain
from copysight.catalog.audit.tables import audit
from copysight.catalog.records import Item
from copysight.system import acting

_LATEST = sa.select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)


def note(
    connection: sa.Connection,
    action: str,
    ids: Iterable[int] = (),
    detail: Mapping[str, Any] | None = None,
    author: str | None = None,
    now: float | None = None,
) -> None:
    """Append an entry: an ``action`` such as ``list.put`` on items, with JSON that says more.

    Who and from where is what `acting` says; ``author`` stands in for a missing name. The connection must be one of a
    write transaction, which excludes other writers, so that entries have numbers without gaps.
    """
    actor, made = acting.current(), time.time() if now is None else now
    numbers = sorted(set(ids))
    latest = connection.execute(_LATEST).first()
    content = {
        "id": 1 if latest is None else latest.id + 1,
        "time": timestamp(made),
        "by": author if actor.name is None else actor.name,
        "address": actor.address,
        "action": action,
        "items": ranges(numbers),
        "detail": dict(detail or {}),
    }
    entry = chain.canonical(content)
    row = {
        "id": content["id"],
        "made": made,
        "author": content["by"],
        "action": action,
        "first": numbers[0] if numbers else None,
        "last": numbers[-1] if numbers else None,
        "entry": entry,
        "hash": chain.digest(chain.GENESIS if latest is None else latest.hash, entry),
    }
    connection.execute(audit.insert().values(**row))


def note_items(connection: sa.Connection, action: str, items: Sequence[Item] | Sequence[sa.Row[Any]]) -> None:
    """Append one entry about items: key and sha256 of a single one, the number in each collection of several."""
    if len(items) == 1:
        [one] = items
        note(connection, action, [one.id], {"collection": one.collection, "key": one.key, "sha256": one.sha256})
    elif items:
        counts = Counter(one.collection for one in items)
        note(connection, action, [one.id for one in items], {"collections": dict(counts)})


def ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Ascending numbers as ranges, both ends included: 1, 2, 3, 7 as [[1, 3], [7, 7]]."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def timestamp(made: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(made, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def covers(entry: str, item: int) -> bool:
    """Whether an entry is about an item."""
    return any(first <= item <= last for first, last in json.loads(entry)["items"])
