"""Answers of searches and comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from copysight.client.answers.moderation import ListDecision, list_decision
from copysight.client.answers.parsing import Fault, Float, fault, from_json


@dataclass(frozen=True)
class Match:
    """An item of the collection that matches a query picture.

    ``where`` is None if the whole query matches and was not verified. Else it has the matching ``region`` of the query
    (left, top, right, bottom as shares of the sides; may be None) and ``turn``, the counter-clockwise rotation of the
    query in degrees. After a successful verification it also has the parts of both pictures (``query``, ``match``:
    polygon and share), ``transform``, ``mirrored``, ``inliers``, ``changed`` and ``part``. ``verified``: whether the
    match was verified; None from an older server.
    """

    id: int
    key: str
    collection: str
    similarity: float
    score: float
    probability: float | None
    verdict: str
    where: Mapping[str, Any] | None
    metadata: Mapping[str, Any]
    verified: bool | None = None


@dataclass(frozen=True)
class ListedMatch(Match):
    """A match with an item of a list.

    ``match``: its number, for decisions about it; None if it is not recorded. ``same_bytes``: the picture is this
    item's file. ``note`` and ``labels``: those of the item. ``quarantined``: the match decides nothing.
    """

    match: int | None = None
    same_bytes: bool = False
    note: str = ""
    labels: Sequence[str] = ()
    quarantined: bool = False


@dataclass(frozen=True)
class MatchedList:
    """A list that a picture matches, what it says (``policy``, ``action``), and its ``matches``."""

    list: str
    policy: str
    action: str
    matches: Sequence[ListedMatch]


@dataclass(frozen=True)
class Found:
    """The matches of each picture, in order; a ``Fault`` for a picture that cannot be used.

    ``policy``, with a ``precision``: from which ``probability`` on matches are answered, and the expected ``recall``.
    ``lists``: the lists that each picture matches, and ``decisions``: what to do with it; None if nothing.
    """

    model: str
    generation: str | None
    sequence: int
    items: Sequence[Sequence[Match] | Fault]
    policy: Mapping[str, Any] | None = None
    lists: Sequence[Sequence[MatchedList]] = ()
    decisions: Sequence[ListDecision | None] = ()


@dataclass(frozen=True)
class Explanation:
    """How much each place of two pictures adds to their ``similarity``.

    ``one`` and ``other`` are maps (rows, columns) of the whole pictures. The values of each add up to the similarity;
    negative ones are where the pictures differ.
    """

    similarity: float
    one: Float
    other: Float


@dataclass(frozen=True)
class Comparison:
    """Whether one of two pictures is a copy of the other. ``where`` is as in ``Match``, plus ``picture``: 1 or 2.

    ``explanation`` is None if it was not asked for.
    """

    model: str
    similarity: float
    score: float
    probability: float | None
    verdict: str
    where: Mapping[str, Any] | None
    verified: bool | None = None
    explanation: Explanation | None = None


def found(given: Mapping[str, Any]) -> Found:
    """Parse the response of ``POST /search``."""
    return from_json(
        Found,
        given,
        items=[fault(item) or matches(item) for item in given["items"]],
        lists=[matched_lists(item) for item in given["items"]],
        decisions=[list_decision(item) for item in given["items"]],
    )


def matches(given: Mapping[str, Any]) -> list[Match]:
    """The matches of an item of an answer."""
    return [from_json(Match, one) for one in given["matches"]]


def matched_lists(given: Mapping[str, Any]) -> list[MatchedList]:
    """The lists that an item of an answer matches; none from a server without lists."""
    return [
        from_json(MatchedList, one, matches=[from_json(ListedMatch, found) for found in one["matches"]])
        for one in given.get("lists", ())
    ]


def comparison(given: Mapping[str, Any]) -> Comparison:
    """Parse the response of ``POST /compare``."""
    why = given.get("explanation")
    return from_json(Comparison, given, explanation=None if why is None else _explanation(why))


def _explanation(given: Mapping[str, Any]) -> Explanation:
    one, other = (np.asarray(values, np.float32) for values in given["maps"])
    return Explanation(given["similarity"], one, other)
