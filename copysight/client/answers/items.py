"""Items and clusters of the collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.client.answers.parsing import Fault, fault, from_json


@dataclass(frozen=True)
class Item:
    """A picture of the collection.

    ``information``: how much it holds, 0..1. ``bytes``: size of the file. ``taken`` and ``camera``: what its EXIF says.
    None if not known: for items of older indexes and from older servers.
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


@dataclass(frozen=True)
class Added:
    """The outcome of an addition; ``status`` is ``created``, ``unchanged`` or ``replaced``."""

    status: str
    item: Item


@dataclass(frozen=True)
class Page:
    """A page of items. ``next`` is the ``after`` of the next page; None on the last page."""

    items: Sequence[Item]
    next: int | None


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


def page(given: Mapping[str, Any]) -> Page:
    """Parse the response of ``GET /images``."""
    return Page([from_json(Item, item) for item in given["items"]], given["next"])


def added(given: Mapping[str, Any]) -> Added | Fault:
    """Parse one line of the response of ``POST /images``."""
    return fault(given) or Added(given["status"], from_json(Item, given["item"]))


def members(given: Mapping[str, Any]) -> Members:
    """Parse the response of ``GET /clusters/{number}``."""
    return from_json(Members, given, items=[from_json(Item, one) for one in given["members"]])
