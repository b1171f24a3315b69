"""What people decide about matches: confirm or deny, by whom and why. Pictures count by their bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from copysight.catalog.engines.query import Query
from copysight.catalog.moderation.tables import match_decisions
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.system import storable

Name = Literal["confirm", "deny"]
NAMES: tuple[Name, ...] = get_args(Name)
LONGEST_REASON = 4096


@dataclass(frozen=True)
class MatchDecision:
    """A decision about the match of ``query`` with an ``item``, whose picture has the ``sha256``.

    ``list``: the list of the match, None if it is of no list. ``stated``: the probability that the match had, None if
    that is not known. ``made``: seconds since the epoch. ``author``: name of a key.
    """

    id: int
    decision: Name
    list: str | None
    item: int
    sha256: str
    query: str
    stated: float | None
    reason: str
    made: float
    author: str | None


@dataclass(frozen=True)
class Answered:
    """A match whose decision is known: its ``stated`` probability, and whether it is ``correct``."""

    stated: float
    correct: bool


def check(decision: str, reason: str, query: str | None = None) -> None:
    """Raise ``InvalidArgument`` unless a decision has a known name, and its other fields can be stored."""
    if decision not in NAMES:
        raise InvalidArgument(f"got the decision {decision!r:.80}; it must be one of {', '.join(NAMES)}")
    if reason:
        storable.check_text(reason, "reason", LONGEST_REASON)
    if query is not None and (len(query) != 64 or query.strip("0123456789abcdef")):
        raise InvalidArgument(f"got the query {query!r:.80}; it must be the sha256 of a file, 64 hexadecimal digits")


def put(connection: sa.Connection, row: Mapping[str, Any]) -> MatchDecision:
    """Store a decision: the fields of ``MatchDecision`` without its id."""
    number = connection.execute(match_decisions.insert().values(**row)).inserted_primary_key[0]  # type: ignore[index]
    return MatchDecision(id=int(number), **row)


def remove(connection: sa.Connection, number: int) -> MatchDecision:
    """Remove a decision. Its number is not used again. Raises ``ItemNotFound``."""
    here = match_decisions.c.id == number
    row = connection.execute(sa.select(match_decisions).where(here)).mappings().first()
    if row is None:
        raise ItemNotFound(f"there is no decision {number}; perhaps it was withdrawn", id=number)
    connection.execute(match_decisions.delete().where(here))
    return MatchDecision(**row)


def of_pair(query: str, sha256: str) -> sa.ColumnElement[bool]:
    """Condition: decisions about two pictures, in either order."""
    columns = match_decisions.c
    given, turned = (query, sha256), (sha256, query)
    return sa.or_(*(sa.and_(columns.query == one, columns.sha256 == other) for one, other in (given, turned)))


def latest(connection: sa.Connection, about: MatchDecision) -> MatchDecision | None:
    """The decision that counts for the pair of another one; None if there is none."""
    query = sa.select(match_decisions).where(of_pair(about.query, about.sha256))
    row = connection.execute(query.order_by(match_decisions.c.id.desc()).limit(1)).mappings().first()
    return None if row is None else MatchDecision(**row)


def page(connection: sa.Connection, name: str | None, item: int | None, after: int, limit: int) -> list[MatchDecision]:
    """At most ``limit`` decisions with ids above ``after``, ascending; of a list and of an item, if given."""
    query = sa.select(match_decisions).where(match_decisions.c.id > after)
    query = query if name is None else query.where(match_decisions.c.list == name)
    query = query if item is None else query.where(match_decisions.c.item == item)
    rows = connection.execute(query.order_by(match_decisions.c.id).limit(limit)).mappings()
    return [MatchDecision(**row) for row in rows]


def denials(connection: sa.Connection, item: int, after: float) -> int:
    """The number of queries whose match with an item was denied after a time, and not confirmed since."""
    query = sa.select(match_decisions.c.query, match_decisions.c.decision)
    query = query.where(match_decisions.c.item == item, match_decisions.c.made > after)
    latest = {row.query: row.decision for row in connection.execute(query.order_by(match_decisions.c.id))}
    return sum(one == "deny" for one in latest.values())


def answered(connection: sa.Connection, name: str, most: int) -> list[Answered]:
    """The latest decision of each of a list's pairs whose probability was stated: the ``most`` latest pairs."""
    query = sa.select(match_decisions).where(match_decisions.c.list == name, match_decisions.c.stated.is_not(None))
    latest: dict[tuple[str, str], Answered] = {}
    for row in connection.execute(query.order_by(match_decisions.c.id.desc()).limit(2 * most)):
        latest.setdefault((row.query, row.sha256), Answered(row.stated, row.decision == "confirm"))
    return list(latest.values())[:most]


def any_denied(connection: sa.Connection) -> bool:
    """Whether any match was ever denied."""
    query = sa.select(sa.exists().where(match_decisions.c.decision == "deny"))
    return bool(connection.execute(query).scalar())


_PICTURE = sa.bindparam("sha256", type_=sa.String)
_OTHER = sa.case((match_decisions.c.query == _PICTURE, match_decisions.c.sha256), else_=match_decisions.c.query)
DENIED = Query(
    sa.select(_OTHER, match_decisions.c.decision)
    .where(sa.or_(match_decisions.c.query == _PICTURE, match_decisions.c.sha256 == _PICTURE))
    .order_by(match_decisions.c.id)
)
"""What was decided about the pairs of a picture, the latest last. A pair is the same in either order."""
