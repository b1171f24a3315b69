"""Rows of what people decided about copies: which pictures are none, and which one of several is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from copysight.catalog.schema import decision_members, decisions

Name = Literal["not_duplicates", "keep_all", "keep"]
"""``not_duplicates``: the pictures are no copies of each other. ``keep_all``: they may be, and all of them are kept.
``keep``: of all these, the first one is kept, whatever the keep rules say."""


@dataclass(frozen=True)
class NewDecision:
    """A decision about pictures by their ``sha256s``; a sha256 that occurs twice stands for two items."""

    decision: Name
    sha256s: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """A stored decision. ``batch`` is undone at once. ``made``: seconds since the epoch. ``author``: name of a key."""

    id: int
    batch: int
    decision: Name
    sha256s: tuple[str, ...]
    made: float
    author: str | None


def put(connection: sa.Connection, batch: int, new: Sequence[NewDecision], made: float, author: str | None) -> None:
    """Store decisions."""
    for one in new:
        row = {"batch": batch, "decision": one.decision, "made": made, "author": author}
        number = connection.execute(decisions.insert().values(**row)).inserted_primary_key[0]  # type: ignore[index]
        members = [
            {"decision": number, "sha256": sha256, "kept": one.decision == "keep" and place == 0}
            for place, sha256 in enumerate(one.sha256s)
        ]
        connection.execute(decision_members.insert(), members)


def read(connection: sa.Connection) -> list[Decision]:
    """All decisions, the oldest first."""
    members: dict[int, list[str]] = {}
    for row in connection.execute(sa.select(decision_members).order_by(decision_members.c.id)):
        members.setdefault(row.decision, []).append(row.sha256)
    return [
        Decision(row.id, row.batch, row.decision, tuple(members.get(row.id, ())), row.made, row.author)
        for row in connection.execute(sa.select(decisions).order_by(decisions.c.id))
    ]


def delete(connection: sa.Connection, batch: int) -> int:
    """Delete the decisions of a batch. Returns their number."""
    return connection.execute(decisions.delete().where(decisions.c.batch == batch)).rowcount
