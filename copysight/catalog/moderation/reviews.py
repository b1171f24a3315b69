"""Reviews: matches that people have to look at, one open review for each query and list."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from copysight.catalog.engines.portable import one_of
from copysight.catalog.moderation.decisions import MatchDecision, of_pair
from copysight.catalog.moderation.tables import entries, list_matches, match_decisions, reviews
from copysight.catalog.outbox.events import emit
from copysight.catalog.schema import items
from copysight.errors import ItemNotFound

ReviewState = Literal["open", "closed"]
REVIEW_STATES: tuple[ReviewState, ...] = get_args(ReviewState)
Claim = Literal["free", "claimed"]
WITHDRAWN = "withdrawn"
UNDECIDED = ("claimed_by", "claimed_until", "closed", "closed_by", "outcome", "decision")
OPEN: Mapping[str, Any] = {"state": "open", "reason": "", **dict.fromkeys(UNDECIDED)}
"""The columns of a review that nobody has claimed or decided."""


@dataclass(frozen=True)
class Review:
    """A review of the match of a ``query`` (a sha256) with an ``item`` of a ``list``.

    ``assignee``: who should do it. ``claimed_by``: who is at it, until ``claimed_until``; a claim in the past is none.
    ``outcome``: `confirm`, `deny`, or `withdrawn`: the item is gone, or the match was settled otherwise. Times are in
    seconds since the epoch; people are names of keys.
    """

    id: int
    match: int
    list: str
    item: int
    sha256: str
    query: str
    state: ReviewState
    opened: float
    assignee: str | None = None
    claimed_by: str | None = None
    claimed_until: float | None = None
    closed: float | None = None
    closed_by: str | None = None
    outcome: str | None = None
    decision: int | None = None
    reason: str = ""

    def claimant(self, now: float) -> str | None:
        """Who is at it at the time ``now``; None if nobody is."""
        return self.claimed_by if self.claimed_until is not None and now < self.claimed_until else None


@dataclass(frozen=True)
class ReviewFilter:
    """Which reviews: in a state, of a list, an item or a query, of an assignee (empty: of nobody), free or claimed."""

    state: ReviewState | None = "open"
    list: str | None = None
    item: int | None = None
    query: str | None = None
    assignee: str | None = None
    claim: Claim | None = None
    claimed_by: str | None = None


def get(connection: sa.Connection, number: int) -> Review:
    """One review. Raises ``ItemNotFound``."""
    row = connection.execute(sa.select(reviews).where(reviews.c.id == number)).mappings().first()
    if row is None:
        raise ItemNotFound(f"there is no review {number}", id=number)
    return Review(**row)


def page(connection: sa.Connection, wanted: ReviewFilter, now: float, after: int, limit: int) -> list[Review]:
    """At most ``limit`` reviews with ids above ``after``, the oldest first."""
    query = filtered(sa.select(reviews), wanted, now).where(reviews.c.id > after)
    rows = connection.execute(query.order_by(reviews.c.id).limit(limit)).mappings()
    return [Review(**row) for row in rows]


def filtered(query: sa.Select[Any], wanted: ReviewFilter, now: float) -> sa.Select[Any]:
    """A query for reviews, with the conditions of a filter at the time ``now``."""
    for name in ("state", "list", "item", "query"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(reviews.c[name] == value)
    if wanted.assignee is not None:
        query = query.where(reviews.c.assignee == wanted.assignee if wanted.assignee else reviews.c.assignee.is_(None))
    claimed = sa.func.coalesce(reviews.c.claimed_until, 0.0) > now
    if wanted.claimed_by is not None:
        query = query.where(claimed, reviews.c.claimed_by == wanted.claimed_by)
    return query if wanted.claim is None else query.where(claimed if wanted.claim == "claimed" else ~claimed)


def open_for(connection: sa.Connection, match: Mapping[str, Any], now: float) -> Review | None:
    """Open a review of a match, a row of ``list_matches``; None if the query has one for this list, or was decided."""
    here = sa.and_(reviews.c.query == match["query"], reviews.c.list == match["list"])
    # A query is looked at once for each list: an open review, or one whose match was confirmed, stands for all.
    seen = sa.and_(reviews.c.match == match["id"], reviews.c.outcome != WITHDRAWN)
    settled = sa.or_(reviews.c.state == "open", reviews.c.outcome == "confirm", seen)
    if connection.execute(sa.select(reviews.c.id).where(here, settled)).first() is not None:
        return None
    if _is_decided(connection, match["query"], match["sha256"]):
        return None
    about = {"list": match["list"], "item": match["item"], "sha256": match["sha256"], "query": match["query"]}
    row = about | {"match": match["id"], "state": "open", "opened": now, "reason": ""}
    number = connection.execute(reviews.insert().values(**row)).inserted_primary_key[0]  # type: ignore[index]
    opened = Review(id=int(number), **row)
    emit(connection, "review.opened", opened.item, asdict(opened), now)
    return opened


def close(
    connection: sa.Connection,
    review: Review,
    outcome: str,
    now: float,
    by: str | None,
    made: MatchDecision | None = None,
) -> Review:
    """Close a review with its outcome."""
    about = {"decision": made and made.id, "reason": made.reason if made else ""}
    row = {"state": "closed", "outcome": outcome, "closed": now, "closed_by": by} | about
    connection.execute(reviews.update().where(reviews.c.id == review.id).values(**row))
    closed = Review(**{**asdict(review), **row})
    emit(connection, "review.closed", closed.item, asdict(closed), now)
    return closed


def settle(connection: sa.Connection, made: MatchDecision, now: float, by: str | None) -> list[Review]:
    """Close the open reviews of the pair of a decision. After a denial, the query's next match gets a review."""
    pair = sa.and_(reviews.c.query == made.query, reviews.c.sha256 == made.sha256, reviews.c.state == "open")
    rows = connection.execute(sa.select(reviews).where(pair).order_by(reviews.c.id)).mappings().all()
    closed = [close(connection, Review(**row), made.decision, now, by, made) for row in rows]
    for one in closed if made.decision == "deny" else ():
        _open_next(connection, one, now)
    return closed


def reopen(
    connection: sa.Connection, gone: MatchDecision, latest: MatchDecision | None, now: float, by: str | None
) -> list[Review]:
    """Open the reviews again that a withdrawn decision had closed. Returns them.

    If an earlier decision about the pair counts now (``latest``), they stay closed, with its outcome. A review that
    opened instead, after a denial, is closed as `withdrawn`: a query has one open review for each list.
    """
    found = connection.execute(sa.select(reviews).where(reviews.c.decision == gone.id).order_by(reviews.c.id))
    closed = [Review(**row) for row in found.mappings().all()]
    opened = []
    for one in closed:
        here = reviews.update().where(reviews.c.id == one.id)
        if latest is not None:
            connection.execute(here.values(outcome=latest.decision, decision=latest.id, reason=latest.reason))
            continue
        instead = sa.and_(reviews.c.query == one.query, reviews.c.list == one.list, reviews.c.state == "open")
        for row in connection.execute(sa.select(reviews).where(instead)).mappings().all():
            close(connection, Review(**row), WITHDRAWN, now, by)
        connection.execute(here.values(**OPEN))
        opened.append(Review(**{**asdict(one), **OPEN}))
        emit(connection, "review.opened", one.item, asdict(opened[-1]), now)
    return opened


def withdraw_gone(connection: sa.Connection, now: float) -> int:
    """Close the open reviews of items that were deleted. Returns their number."""
    gone = sa.select(reviews).where(reviews.c.state == "open", reviews.c.item.not_in(sa.select(items.c.id)))
    rows = connection.execute(gone).mappings().all()
    for row in rows:
        close(connection, Review(**row), WITHDRAWN, now, None)
    return len(rows)


def uploads(connection: sa.Connection, found: Sequence[Review]) -> dict[int, int]:
    """An item with the bytes of each review's query, besides the matched one: as that the query was added.

    By the reviews' ids; those whose query is no item are absent.
    """
    query = sa.select(items.c.sha256, items.c.id).where(one_of(items.c.sha256, [one.query for one in found]))
    by_bytes: dict[str, list[int]] = {}
    for sha256, number in connection.execute(query.order_by(items.c.id.desc())):
        by_bytes.setdefault(sha256, []).append(number)
    others = {one.id: [number for number in by_bytes.get(one.query, ()) if number != one.item] for one in found}
    return {number: ids[0] for number, ids in others.items() if ids}


def _open_next(connection: sa.Connection, review: Review, now: float) -> None:
    """Open a review of the best match of the same query and list that is not decided and not in quarantine."""
    here = sa.and_(list_matches.c.query == review.query, list_matches.c.list == review.list)
    quiet = sa.select(entries.c.item).where(sa.or_(entries.c.quarantined.is_not(None), entries.c.disabled))
    known = sa.and_(list_matches.c.item.not_in(quiet), list_matches.c.item.in_(sa.select(items.c.id)))
    query = sa.select(list_matches).where(here, known, list_matches.c.policy == "review")
    best = query.order_by(sa.func.coalesce(list_matches.c.probability, 1.0).desc(), list_matches.c.id)
    for row in connection.execute(best).mappings().all():
        if open_for(connection, dict(row), now) is not None:
            return


def _is_decided(connection: sa.Connection, query: str, sha256: str) -> bool:
    pair = sa.select(match_decisions.c.id).where(of_pair(query, sha256))
    return connection.execute(pair.limit(1)).first() is not None
