"""Moderation in the catalog: lists, what is noted about items, matches with lists, and decisions about matches."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from copysight.catalog.audit.note import note
from copysight.catalog.database import Database
from copysight.catalog.engines.query import Query
from copysight.catalog.moderation import deciding, decisions, entries, lists, matches, recording, reviews
from copysight.catalog.moderation.changes import advance, change_entry
from copysight.catalog.moderation.deciding import NewMatchDecision
from copysight.catalog.moderation.decisions import Answered, MatchDecision
from copysight.catalog.moderation.entries import Entry, Hidden, State
from copysight.catalog.moderation.lists import Learned, ListPolicy, StoredList
from copysight.catalog.moderation.matches import NewMatch, Recorded
from copysight.catalog.moderation.reviews import Review
from copysight.catalog.moderation.tables import moderation
from copysight.catalog.schema import items

VERSION = Query(sa.select(moderation.c.version))
SAME_BYTES = Query(
    sa.select(items.c.id, items.c.collection).where(items.c.sha256 == sa.bindparam("sha256")).order_by(items.c.id)
)
LEFT = {"quarantined": None, "reason": None}


@dataclass(frozen=True)
class Rules:
    """All lists, and all items that are or will be hidden, as of the change number ``version``.

    ``quarantined``: items whose matches decide nothing. ``denied``: whether any match was ever denied.
    """

    version: int = 0
    lists: tuple[StoredList, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    quarantined: frozenset[int] = frozenset()
    denied: bool = False

    def active(self, now: float) -> dict[str, StoredList]:
        """The lists that match at the time ``now``, by name."""
        return {one.list.name: one for one in self.lists if one.list.is_active(now)}


class Moderation:
    """Lists, entries, matches and decisions. Each change is one durable transaction.

    ``clock`` returns the time in seconds since the epoch.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self.clock = clock

    def put_list(self, new: ListPolicy, author: str | None = None) -> bool:
        """Create or replace the policy of a list. Returns whether it is new."""
        with self._database.write() as connection:
            advance(connection)
            now = self.clock()
            note(connection, "list.put", detail=asdict(new), author=author, now=now)
            return lists.put(connection, new, now, author)

    def delete_list(self, name: str, author: str | None = None) -> None:
        """Forget the policy of a list; its collection and items stay. Raises ``ItemNotFound``."""
        with self._database.write() as connection:
            advance(connection)
            lists.delete(connection, name)
            note(connection, "list.delete", detail={"name": name}, author=author, now=self.clock())

    def lists(self) -> list[StoredList]:
        """All lists, by name."""
        with self._database.read() as connection:
            return lists.read(connection)

    def change(self, item: int, changes: Mapping[str, Any], author: str | None = None) -> Entry:
        """Change fields of an item's ``Entry``. ``quarantined`` is true or false here.

        Raises ``ItemNotFound``, ``InvalidArgument``.
        """
        now = self.clock()
        if "quarantined" in changes:
            into = {"quarantined": now, "reason": "by hand"}
            changes = {**changes, **(into if changes["quarantined"] else LEFT | {"released": now})}
        with self._database.write() as connection:
            return change_entry(connection, item, changes, now, author)

    def entries(self, ids: Iterable[int]) -> dict[int, Entry]:
        """The entries of some items, by item; those without one are absent."""
        with self._database.read() as connection:
            return entries.read(connection, ids)

    def page(self, state: State, collection: str | None, after: int, limit: int) -> list[int]:
        """Ids above ``after`` of at most ``limit`` items in a state, ascending."""
        with self._database.read() as connection:
            return entries.page(connection, state, collection, after, limit, self.clock())

    def counts(self, state: State) -> dict[str, int]:
        """The number of items in a state, by collection."""
        with self._database.read() as connection:
            return entries.count(connection, state, self.clock())

    def version(self) -> int:
        """The change number of the last change of lists and entries; 0 if there was none. Takes 15 us."""
        found = self._database.rows(VERSION)
        return int(found[0][0]) if found else 0

    def rules(self) -> Rules:
        """The lists and the hidden items, read in one transaction."""
        with self._database.read() as connection:
            version = connection.execute(sa.select(moderation.c.version)).scalar() or 0
            return Rules(
                int(version),
                tuple(lists.read(connection)),
                tuple(entries.hidden(connection)),
                frozenset(entries.quarantined(connection)),
                decisions.any_denied(connection),
            )

    def same_bytes(self, sha256: str, names: Iterable[str]) -> list[int]:
        """Ids of the items of some collections whose picture has this sha256, ascending."""
        wanted = set(names)
        found = self._database.rows(SAME_BYTES, sha256=sha256)
        return [number for number, collection in found if collection in wanted]

    def record(self, new: Sequence[NewMatch], author: str | None = None) -> list[int]:
        """Store matches with lists, in one transaction. Returns their numbers, in their order.

        The same item and query again is the same match. An item that floods its list goes to quarantine.
        """
        with self._database.write() as connection:
            return recording.record(connection, new, self.clock(), author)

    def match(self, number: int) -> Recorded:
        """One match. Raises ``ItemNotFound``."""
        with self._database.read() as connection:
            return matches.get(connection, number)

    def matches(self, numbers: Iterable[int]) -> dict[int, Recorded]:
        """Matches by number; unknown ones are absent."""
        with self._database.read() as connection:
            return matches.get_many(connection, numbers)

    def uploads(self, found: Iterable[Review]) -> dict[int, int]:
        """The item as which the query of a review is stored, by the review's id; absent if it is not stored."""
        with self._database.read() as connection:
            return reviews.uploads(connection, list(found))

    def decide(self, new: NewMatchDecision, author: str | None = None) -> MatchDecision:
        """Store a decision. The item goes to quarantine if its list says so for this number of denials.

        Raises ``ItemNotFound``, ``InvalidArgument``.
        """
        with self._database.write() as connection:
            return deciding.decide(connection, new, author, self.clock())

    def withdraw(self, number: int, author: str | None = None) -> MatchDecision:
        """Remove a decision by its id, with what followed from it. Returns what it was. Raises ``ItemNotFound``."""
        with self._database.write() as connection:
            return deciding.withdraw(connection, number, author, self.clock())

    def decisions(
        self, name: str | None = None, item: int | None = None, after: int = 0, limit: int = 100
    ) -> list[MatchDecision]:
        """At most ``limit`` decisions with ids above ``after``, ascending; of a list and of an item, if given."""
        with self._database.read() as connection:
            return decisions.page(connection, name, item, after, limit)

    def denied(self, sha256: str) -> frozenset[str]:
        """The sha256 of all pictures whose match with this picture was denied. Takes 20 us."""
        latest: dict[str, str] = dict(self._database.rows(decisions.DENIED, sha256=sha256))
        return frozenset(other for other, decision in latest.items() if decision == "deny")

    def answered(self, name: str, most: int) -> list[Answered]:
        """What a list can learn from: its ``most`` latest pairs with a stated probability and a decision."""
        with self._database.read() as connection:
            return decisions.answered(connection, name, most)

    def learn(self, name: str, learned: Learned | None) -> None:
        """Store what a list has learned from its decisions; None: nothing."""
        with self._database.write() as connection:
            advance(connection)
            lists.learn(connection, name, learned)
