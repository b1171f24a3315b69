"""The review queue: who looks at which match. Each change is one durable transaction."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from copysight.catalog.audit.note import note
from copysight.catalog.database import Database
from copysight.catalog.engines.query import Query
from copysight.catalog.moderation import changes, deciding, decisions, reviews
from copysight.catalog.moderation.deciding import NewMatchDecision
from copysight.catalog.moderation.decisions import MatchDecision
from copysight.catalog.moderation.reviews import Review, ReviewFilter
from copysight.catalog.moderation.tables import entries, lists
from copysight.catalog.moderation.tables import reviews as rows
from copysight.catalog.schema import items
from copysight.errors import ReviewConflict
from copysight.system import storable

LONGEST_NAME = 255
CLAIM_SECONDS = 600.0


class ReviewQueue:
    """The reviews of one index. ``clock`` returns the time in seconds since the epoch.

    Reviews open with matches of lists whose policy is `review`, as `Moderation.record` stores them.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self.clock = clock

    def get(self, number: int) -> Review:
        """One review. Raises ``ItemNotFound``."""
        with self._database.read() as connection:
            return reviews.get(connection, number)

    def page(self, wanted: ReviewFilter, after: int = 0, limit: int = 100) -> list[Review]:
        """At most ``limit`` reviews with ids above ``after``, the oldest first."""
        with self._database.read() as connection:
            return reviews.page(connection, wanted, self.clock(), after, limit)

    def count(self, wanted: ReviewFilter) -> int:
        """The number of reviews."""
        query = reviews.filtered(sa.select(sa.func.count()).select_from(rows), wanted, self.clock())
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def claim(self, number: int, by: str, seconds: float = CLAIM_SECONDS) -> Review:
        """Claim a review for a time, or claim it for longer. Raises ``ItemNotFound``, ``ReviewConflict``."""
        with self._database.write() as connection:
            now = self.clock()
            found = _free(connection, number, by, now)
            return _update(connection, found, {"claimed_by": by, "claimed_until": now + seconds}, "claim", by, now)

    def claim_next(self, wanted: ReviewFilter, by: str, seconds: float = CLAIM_SECONDS) -> Review | None:
        """Claim the oldest open review that is free, and that nobody else is to do; None if there is none."""
        with self._database.write() as connection:
            now = self.clock()
            query = reviews.filtered(sa.select(rows), replace(wanted, state="open", claim="free"), now)
            mine = sa.or_(rows.c.assignee.is_(None), rows.c.assignee == by)
            found = connection.execute(query.where(mine).order_by(rows.c.id).limit(1)).mappings().first()
            if found is None:
                return None
            claimed = {"claimed_by": by, "claimed_until": now + seconds}
            return _update(connection, Review(**found), claimed, "claim", by, now)

    def release(self, number: int, by: str) -> Review:
        """Give up a claim. Raises ``ItemNotFound``, ``ReviewConflict`` if it is somebody else's."""
        with self._database.write() as connection:
            now = self.clock()
            found = _free(connection, number, by, now)
            return _update(connection, found, {"claimed_by": None, "claimed_until": None}, "release", by, now)

    def assign(self, number: int, assignee: str | None, by: str | None) -> Review:
        """Say who should do a review; None: anybody.

        Raises ``ItemNotFound``, ``InvalidArgument``, ``ReviewConflict``.
        """
        if assignee is not None:
            storable.check_text(assignee, "assignee", LONGEST_NAME)
        with self._database.write() as connection:
            found = _open(connection, number)
            return _update(connection, found, {"assignee": assignee}, "assign", by, self.clock())

    def decide(
        self, number: int, verdict: decisions.Name, reason: str, by: str, author: str | None = None
    ) -> MatchDecision:
        """Decide about the match of a review, which closes it. ``by``: who claims reviews, ``author``: the key's name.

        Raises ``ItemNotFound``, ``InvalidArgument``, ``ReviewConflict`` if it is closed or somebody else's.
        """
        with self._database.write() as connection:
            now = self.clock()
            found = _free(connection, number, by, now)
            return deciding.decide(connection, NewMatchDecision(verdict, reason, found.match), author, now)

    def tick(self) -> int:
        """Write the events of what has expired, and close reviews of deleted items. Returns their number.

        Takes 50 us if nothing has.
        """
        now = self.clock()
        if not any(self._database.rows(query, now=now) for query in DUE):
            return 0
        with self._database.write() as connection:
            return changes.announce_expired(connection, now) + reviews.withdraw_gone(connection, now)


_NOW = sa.bindparam("now", type_=sa.Double)
DUE = (
    *(Query(changes.expired(table, _NOW).limit(1)) for table in (entries, lists)),
    Query(sa.select(rows.c.id).where(rows.c.state == "open", rows.c.item.not_in(sa.select(items.c.id))).limit(1)),
)
"""Queries that have a row if something has expired, or if an item of an open review was deleted."""


def _open(connection: sa.Connection, number: int) -> Review:
    found = reviews.get(connection, number)
    if found.state != "open":
        raise ReviewConflict(f"review {number} is closed ({found.outcome})", id=number)
    return found


def _free(connection: sa.Connection, number: int, by: str, now: float) -> Review:
    """An open review that nobody else has claimed."""
    found = _open(connection, number)
    if (claimant := found.claimant(now)) not in {None, by}:
        raise ReviewConflict(f"review {number} is claimed by {claimant!r}; take another one", id=number)
    return found


def _update(
    connection: sa.Connection, review: Review, changed: dict[str, Any], action: str, by: str | None, now: float
) -> Review:
    connection.execute(rows.update().where(rows.c.id == review.id).values(**changed))
    note(connection, f"review.{action}", [review.item], {"review": review.id} | changed, by, now)
    return Review(**{**asdict(review), **changed})
