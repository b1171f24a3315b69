"""Matches of queries with items of lists, as they were answered: one row for each item and query."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from copysight.catalog.engines.portable import one_of
from copysight.catalog.moderation.tables import list_matches
from copysight.errors import ItemNotFound


@dataclass(frozen=True)
class NewMatch:
    """A match of ``query`` with an ``item`` of a list; both pictures by their sha256.

    ``stated``: the probability before the list's decisions correct it; None without a calibration, or for equal
    pictures. ``upload``: id of the item as which the query was added.
    """

    list: str
    item: int
    sha256: str
    query: str
    stated: float | None
    probability: float | None
    verdict: str
    policy: str
    action: str
    upload: int | None = None


@dataclass(frozen=True)
class Recorded(NewMatch):
    """A stored match: it was first ``made`` and ``latest`` again, in seconds since the epoch, and ``times`` in all.

    ``author``: name of the key that searched first.
    """

    id: int = 0
    made: float = 0.0
    latest: float = 0.0
    times: int = 1
    author: str | None = None


@dataclass(frozen=True)
class Stored:
    """The number of a match, and whether it is new: the query matched the item for the first time."""

    number: int
    is_new: bool


def put(connection: sa.Connection, new: NewMatch, now: float, author: str | None) -> Stored:
    """Store a match, or note that it came again."""
    here = sa.and_(list_matches.c.item == new.item, list_matches.c.query == new.query)
    found = connection.execute(sa.select(list_matches.c.id, list_matches.c.upload).where(here)).first()
    if found is None:
        row = asdict(new) | {"made": now, "latest": now, "times": 1, "author": author}
        number = connection.execute(list_matches.insert().values(**row)).inserted_primary_key[0]  # type: ignore[index]
        return Stored(int(number), True)
    again = asdict(new) | {"latest": now, "times": list_matches.c.times + 1}
    again["upload"] = found.upload if new.upload is None else new.upload
    connection.execute(list_matches.update().where(list_matches.c.id == found.id).values(**again))
    return Stored(int(found.id), False)


def get(connection: sa.Connection, number: int) -> Recorded:
    """One match. Raises ``ItemNotFound``."""
    row = connection.execute(sa.select(list_matches).where(list_matches.c.id == number)).mappings().first()
    if row is None:
        raise ItemNotFound(f"there is no match {number}", id=number)
    return Recorded(**row)


def get_many(connection: sa.Connection, numbers: Iterable[int]) -> dict[int, Recorded]:
    """Matches by number; unknown ones are absent."""
    query = sa.select(list_matches).where(one_of(list_matches.c.id, list(numbers)))
    return {row["id"]: Recorded(**row) for row in connection.execute(query).mappings()}


def find(connection: sa.Connection, item: int, query: str) -> Recorded | None:
    """The match of a query with an item; None if it was not recorded."""
    here = sa.select(list_matches).where(list_matches.c.item == item, list_matches.c.query == query)
    row = connection.execute(here).mappings().first()
    return None if row is None else Recorded(**row)


def count(connection: sa.Connection, item: int, after: float) -> int:
    """The number of different queries that matched an item first after a time."""
    query = sa.select(sa.func.count()).where(list_matches.c.item == item, list_matches.c.made > after)
    return int(connection.execute(query).scalar_one())
