"""Reviews: matches that people have to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.client.answers.items import Item
from copysight.client.answers.parsing import from_json


@dataclass(frozen=True)
class Review:
    """A review of the match of a ``query`` (a sha256) with an ``item`` of a ``list``; ``matched`` is that item.

    ``upload``: the item as which the query is stored. ``assignee``: who should do it; ``claimed_by``: who is at it,
    until ``claimed_until``. ``outcome``: `confirm`, `deny` or `withdrawn`. Times are in seconds since the epoch.
    """

    id: int
    match: int
    list: str
    item: int
    sha256: str
    query: str
    state: str
    opened: float
    assignee: str | None
    claimed_by: str | None
    claimed_until: float | None
    closed: float | None
    closed_by: str | None
    outcome: str | None
    decision: int | None
    reason: str
    probability: float | None
    verdict: str | None
    action: str | None
    upload: int | None
    matched: Item | None


@dataclass(frozen=True)
class Reviews:
    """A page of reviews, and the ``total`` of all. ``next`` is the ``after`` of the next page; None on the last."""

    reviews: Sequence[Review]
    total: int
    next: int | None


def review(given: Mapping[str, Any]) -> Review:
    """Parse a review."""
    matched = given["matched"]
    return from_json(Review, {**given, "matched": None if matched is None else from_json(Item, matched)})


def reviews(given: Mapping[str, Any]) -> Reviews:
    """Parse the response of ``GET /reviews``."""
    return Reviews([review(one) for one in given["reviews"]], given["total"], given["next"])
