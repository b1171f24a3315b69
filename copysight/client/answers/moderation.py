"""Lists, what they decide about a picture, and decisions about matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.client.answers.parsing import from_json


@dataclass(frozen=True)
class ListDecision:
    """What to do with a picture: the ``action`` of a ``list`` with a ``policy`` (`block`, `review`, `allow`).

    ``id``: the item that decides. ``match``: number of the recorded match, for decisions about it; None if it is not
    recorded.
    """

    list: str
    policy: str
    action: str
    id: int
    match: int | None


@dataclass(frozen=True)
class ListState:
    """A list: its policy, and the number of its ``items`` and of those that match nothing or decide nothing.

    ``calibration``: whether its probabilities follow the `index` or the `decisions` about its matches (``source``), and
    how many (``decisions``). Times are in seconds since the epoch.
    """

    name: str
    policy: str
    action: str
    precision: float | None
    expires: float | None
    enabled: bool
    note: str
    flood: int | None
    denials: int | None
    items: int
    disabled: int
    expired: int
    quarantined: int
    calibration: Mapping[str, Any]
    changed: float
    author: str | None


@dataclass(frozen=True)
class MatchDecision:
    """A decision (`confirm`, `deny`) about the match of a ``query`` (a sha256) with an ``item``, whose sha256 it names.

    ``stated``: the probability that the match had. ``made``: seconds since the epoch. ``author``: name of a key.
    """

    id: int
    decision: str
    list: str | None
    item: int
    sha256: str
    query: str
    stated: float | None
    reason: str
    made: float
    author: str | None


@dataclass(frozen=True)
class MatchDecisions:
    """A page of decisions. ``next`` is the ``after`` of the next page; None on the last page."""

    decisions: Sequence[MatchDecision]
    next: int | None


def list_states(given: Mapping[str, Any]) -> list[ListState]:
    """Parse the response of ``GET /lists``."""
    return [from_json(ListState, one) for one in given["lists"]]


def match_decisions(given: Mapping[str, Any]) -> MatchDecisions:
    """Parse the response of ``GET /decisions``."""
    return MatchDecisions([from_json(MatchDecision, one) for one in given["decisions"]], given["next"])


def list_decision(given: Mapping[str, Any]) -> ListDecision | None:
    """The decision of an item of an answer; None if no list decides."""
    decision = given.get("decision")
    return None if decision is None else from_json(ListDecision, decision)
