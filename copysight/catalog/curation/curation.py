"""What people decide about the copies in a collection, in batches that can be undone."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from copysight.catalog import sequence
from copysight.catalog.audit.note import note
from copysight.catalog.curation import decisions, removals
from copysight.catalog.curation.decisions import Decision, NewDecision
from copysight.catalog.database import Database
from copysight.catalog.schema import decisions as table
from copysight.catalog.schema import removals as removed_items
from copysight.errors import InvalidArgument, ItemNotFound

MOST_PICTURES = 1000
"""Pictures of one decision."""


@dataclass(frozen=True)
class Decided:
    """A batch by its number, and how many decisions and removals it holds."""

    batch: int
    decisions: int
    removed: int


@dataclass(frozen=True)
class Undone:
    """A batch that was undone. ``left``: ids of removed items that could not be restored."""

    batch: int
    decisions: int
    restored: int
    left: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """What a batch holds: the names of its ``decisions``, and the number of items that it ``removed``."""

    batch: int
    made: float
    author: str | None
    decisions: tuple[str, ...]
    removed: int


class Curation:
    """Decisions about copies, by sha256, and items that were removed as copies. ``clock``: seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def decide(self, new: Sequence[NewDecision], removed: Iterable[int] = (), author: str | None = None) -> Decided:
        """Store decisions and remove items, in one durable transaction. Raises ``InvalidArgument``."""
        for one in new:
            _check(one)
        with self._database.write() as connection:
            now, made = sequence.advance(connection), self._clock()
            decisions.put(connection, now, new, made, author)
            count = removals.remove(connection, removed, now, made, author, now)
            detail = {"batch": now, "decisions": [one.decision for one in new], "removed": count}
            note(connection, "duplicates.decide", detail=detail, author=author, now=made)
        return Decided(now, len(new), count)

    def undo(self, batch: int) -> Undone:
        """Forget the decisions of a batch, and restore its items with their ids. Raises ``ItemNotFound``."""
        with self._database.write() as connection:
            now = sequence.advance(connection)
            before = _count(connection, batch)
            left = removals.restore(connection, batch, now)
            forgotten = decisions.delete(connection, batch)
            if not forgotten and not before:
                raise ItemNotFound(f"there is no batch {batch} of decisions; perhaps it was undone", batch=batch)
            note(connection, "duplicates.undo", detail={"batch": batch}, now=self._clock())
        return Undone(batch, forgotten, before - len(left), tuple(left))

    def decisions(self) -> list[Decision]:
        """All decisions, the oldest first."""
        with self._database.read() as connection:
            return decisions.read(connection)

    def batches(self) -> list[Batch]:
        """All batches that were not undone, the latest first."""
        with self._database.read() as connection:
            found: dict[int, Batch] = {}
            for one in decisions.read(connection):
                held = found.get(one.batch) or Batch(one.batch, one.made, one.author, (), 0)
                found[one.batch] = replace(held, decisions=(*held.decisions, one.decision))
            for part in removals.batches(connection):
                held = found.get(part.batch) or Batch(part.batch, part.made, part.author, (), 0)
                found[part.batch] = replace(held, removed=part.count)
        return [found[number] for number in sorted(found, reverse=True)]

    def latest(self) -> int | None:
        """Number of the latest batch that was not undone."""
        with self._database.read() as connection:
            found = [connection.execute(sa.select(sa.func.max(one.c.batch))).scalar() for one in (table, removed_items)]
        return max((number for number in found if number is not None), default=None)

    def removed(self, collection: str) -> list[tuple[str, str]]:
        """Key and sha256 of each removed item of a collection."""
        with self._database.read() as connection:
            return removals.removed(connection, collection)

    def purge(self, before: float) -> int:
        """Give up the files of items that were removed ``before`` a time. Returns their number."""
        with self._database.write() as connection:
            sequence.advance(connection)
            return removals.purge(connection, before)


def _check(new: NewDecision) -> None:
    if not 2 <= len(new.sha256s) <= MOST_PICTURES:
        raise InvalidArgument(
            f"got a decision about {len(new.sha256s):,} pictures; it must be about 2 to {MOST_PICTURES:,}"
        )


def _count(connection: sa.Connection, batch: int) -> int:
    query = sa.select(sa.func.count()).select_from(removed_items).where(removed_items.c.batch == batch)
    return int(connection.execute(query).scalar_one())
