"""Items and clusters of the collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.client.answers.matches import Match, MatchedList, matched_lists, matches
from copysight.client.answers.moderation import ListDecision, list_decision
from copysight.client.answers.parsing import Fault, fault, from_json


@dataclass(frozen=True)
class Item:
    """A picture of the collection.

    ``information``: how much it holds, 0..1. ``bytes``: size of the file. ``taken`` and ``camera``: what its EXIF says.
    None if not known: for items of older indexes and from older servers. No search finds an item that is ``disabled``,
    or whose time ``expires`` has passed. ``quarantined``: since when its matches with lists decide nothing, and
    ``reason`` why. Times are in seconds since the epoch.
    """

    id: int
    key: str
    collection: str
    sha256: str
    width: int
    height: int
    sequence: int
    metadata: Mapping[str, Any]
    information: float | None = None
    bytes: int | None = None
    taken: str | None = None
    camera: str | None = None
    disabled: bool = False
    expires: float | None = None
    note: str = ""
    labels: Sequence[str] = ()
    quarantined: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Added:
    """The outcome of an addition; ``status`` is ``created``, ``unchanged`` or ``replaced``.

    If it was matched, too: its ``matches``, the ``lists`` that it matches and their ``decision``; None if nothing.
    """

    status: str
    item: Item
    matches: Sequence[Match] = ()
    lists: Sequence[MatchedList] = ()
    decision: ListDecision | None = None


@dataclass(frozen=True)
class Page:
    """A page of items. ``next`` is the ``after`` of the next page; None on the last page.

    ``total``: the number of all these items, if the page is sorted.
    """

    items: Sequence[Item]
    next: int | None
    total: int | None = None


@dataclass(frozen=True)
class Group:
    """A cluster with its ``tightness``, the mean cosine of its members to the centroid, and the ids nearest to it."""

    id: int
    size: int
    tightness: float
    name: str | None
    representatives: Sequence[int]


@dataclass(frozen=True)
class Members:
    """A cluster and some of its items, those nearest to the centroid first."""

    id: int
    size: int
    name: str | None
    items: Sequence["Item"]


@dataclass(frozen=True)
class ClusterMove:
    """Ids of ``items``, and ``to`` which cluster they move: its id, `new`; None: back where the model puts them."""

    items: Sequence[int]
    to: int | str | None


@dataclass(frozen=True)
class ClusterMoves:
    """The ``moves`` that were made, with the ids of new clusters, and those that undo them (``before``)."""

    moves: Sequence[ClusterMove]
    before: Sequence[ClusterMove]


def cluster_moves(given: Mapping[str, Any]) -> ClusterMoves:
    """Parse the response of ``POST /clusters/moves``."""
    return ClusterMoves(*([from_json(ClusterMove, one) for one in given[name]] for name in ("moves", "before")))


def page(given: Mapping[str, Any]) -> Page:
    """Parse the response of ``GET /images``."""
    return Page([from_json(Item, item) for item in given["items"]], given["next"], given.get("total"))


def added(given: Mapping[str, Any]) -> Added | Fault:
    """Parse one line of the response of ``POST /images``."""
    return fault(given) or added_item(given, given["item"])


def added_item(given: Mapping[str, Any], item: Mapping[str, Any]) -> Added:
    """The outcome of an addition: ``item`` as JSON, and ``given``, the object that has the other fields."""
    found = matches(given) if "matches" in given else ()
    return Added(given["status"], from_json(Item, item), found, matched_lists(given), list_decision(given))


def members(given: Mapping[str, Any]) -> Members:
    """Parse the response of ``GET /clusters/{number}``."""
    return from_json(Members, given, items=[from_json(Item, one) for one in given["members"]])
