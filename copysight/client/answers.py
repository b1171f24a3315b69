"""Typed responses of the server. Unknown fields of a newer server are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from copysight.client.errors import Refused

Float = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """The error of one picture in a request with several pictures."""

    code: str
    detail: str


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
class Found:
    """The matches of each picture, in order; a ``Fault`` for a picture that cannot be used.

    ``policy``, with a ``precision``: from which ``probability`` on matches are answered, and the expected ``recall``.
    """

    model: str
    generation: str | None
    sequence: int
    items: Sequence[Sequence[Match] | Fault]
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Embeddings:
    """The embedding (D,) of each picture, float32 and L2-normalised; a ``Fault`` for one that cannot be used."""

    model: str
    generation: str | None
    dimension: int
    items: Sequence[Float | Fault]

    def array(self) -> Float:
        """All embeddings (N, D). Raises ``Refused`` if a picture could not be used."""
        for place, one in enumerate(self.items):
            if isinstance(one, Fault):
                raise Refused(200, one.code, f"picture {place}: {one.detail}")
        return np.asarray(self.items, np.float32).reshape(-1, self.dimension)


@dataclass(frozen=True)
class Comparison:
    """Whether one of two pictures is a copy of the other. ``where`` is as in ``Match``, plus ``picture``: 1 or 2."""

    model: str
    similarity: float
    score: float
    probability: float | None
    verdict: str
    where: Mapping[str, Any] | None
    verified: bool | None = None


@dataclass(frozen=True)
class Prototype:
    """A prototype of the bundle and its probability."""

    index: int
    probability: float


@dataclass(frozen=True)
class Cluster:
    """A cluster of the collection. ``similarity`` is the cosine of the picture to the cluster's centroid."""

    id: int
    size: int
    similarity: float
    name: str | None


@dataclass(frozen=True)
class Membership:
    """The prototypes and the cluster of a picture. None if the bundle has no prototypes, or the index no clusters."""

    prototypes: Sequence[Prototype] | None
    cluster: Cluster | None


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
class Maps:
    """Attention maps (H, rows, columns) over the part ``box`` (left, top, right, bottom) of the picture."""

    maps: Float
    box: Sequence[float]
    masks: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class Item:
    """A picture of the collection.

    ``information``: how much it holds, 0..1; None for items of older indexes and from older servers.
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
class Duplicate:
    """A picture of a group of copies. What is not known is None.

    ``probability`` and ``verdict`` (``exact``, ``resized``, ``edited``, ``part``) are those of comparing it with the
    picture that is kept; None for the kept one. ``taken``: ISO 8601. ``modified``: seconds since the epoch.
    """

    id: int
    key: str
    sha256: str
    width: int
    height: int
    bytes: int | None
    format: str | None
    taken: str | None
    camera: str | None
    modified: float | None
    probability: float | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class DuplicateGroup:
    """A picture that is kept, why (``reason``), and its copies, the most probable first."""

    keep: Duplicate
    reason: str
    members: Sequence[Duplicate]


@dataclass(frozen=True)
class Duplicates:
    """A page of groups. ``total``, ``copies``, ``bytes``: of all groups. ``next``: offset of the next page, or None.

    ``computed``: when and on what the copies were searched; None if they were not. ``job``: the latest search.
    ``undo``: the latest batch of decisions.
    """

    computed: Mapping[str, Any] | None
    job: Mapping[str, Any] | None
    undo: int | None
    total: int
    copies: int
    bytes: int
    groups: Sequence[DuplicateGroup]
    next: int | None


@dataclass(frozen=True)
class Decided:
    """What a call has decided, removed and restored; ``batch`` undoes it. ``left``: ids that could not be restored."""

    batch: int
    decisions: int
    removed: int
    restored: int
    left: Sequence[int]


@dataclass(frozen=True)
class Index:
    """The state of the index. ``everything`` holds all fields of the response."""

    generation: str | None
    model: str
    count: int
    delta: int
    tombstones: int
    everything: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A job of the server and its progress."""

    id: int
    kind: str
    state: str
    progress: int
    total: int
    message: str


@dataclass(frozen=True)
class Ready:
    """``status`` is ``ready`` or ``stale``. Stale: an older generation is in use, for the reason in ``detail``."""

    status: str
    detail: str | None
    generation: str | None
    milliseconds: float


@dataclass(frozen=True)
class Caller:
    """The name and scope of the API key that the server saw."""

    name: str | None
    scope: str


def from_json(kind: type[T], given: Mapping[str, Any], **more: Any) -> T:
    """Create a ``kind`` from the fields of a JSON object; other fields are ignored."""
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given} | more)  # type: ignore[arg-type]


def fault(item: Mapping[str, Any]) -> Fault | None:
    """The error of an item, or None."""
    return from_json(Fault, item["error"]) if "error" in item else None


def found(given: Mapping[str, Any]) -> Found:
    """Parse the response of ``POST /search``."""
    return from_json(
        Found,
        given,
        items=[fault(item) or [from_json(Match, one) for one in item["matches"]] for item in given["items"]],
    )


def embeddings(given: Mapping[str, Any]) -> Embeddings:
    """Parse the response of ``POST /embed``."""
    return from_json(
        Embeddings, given, items=[fault(one) or np.asarray(one["embedding"], np.float32) for one in given["items"]]
    )


def memberships(given: Mapping[str, Any]) -> list[Membership | Fault]:
    """Parse the response of ``POST /clusters``."""
    return [fault(item) or _membership(item) for item in given["items"]]


def maps(given: Mapping[str, Any]) -> list[Maps | Fault]:
    """Parse the response of ``POST /attention``."""
    return [fault(item) or _maps(item) for item in given["items"]]


def page(given: Mapping[str, Any]) -> Page:
    """Parse the response of ``GET /images``."""
    return Page([from_json(Item, item) for item in given["items"]], given["next"])


def added(given: Mapping[str, Any]) -> Added | Fault:
    """Parse one line of the response of ``POST /images``."""
    return fault(given) or Added(given["status"], from_json(Item, given["item"]))


def members(given: Mapping[str, Any]) -> Members:
    """Parse the response of ``GET /clusters/{number}``."""
    return from_json(Members, given, items=[from_json(Item, one) for one in given["members"]])


def duplicates(given: Mapping[str, Any]) -> Duplicates:
    """Parse the response of ``GET /duplicates``."""
    return from_json(Duplicates, given, groups=[_group(one) for one in given["groups"]])


def _group(given: Mapping[str, Any]) -> DuplicateGroup:
    members = [from_json(Duplicate, one) for one in given["members"]]
    return DuplicateGroup(from_json(Duplicate, given["keep"]), given["reason"], members)


def index(given: Mapping[str, Any]) -> Index:
    """Parse the response of ``GET /index``."""
    return from_json(Index, given, everything=given)


def _membership(item: Mapping[str, Any]) -> Membership:
    likely, cluster = item["prototypes"], item["cluster"]
    return Membership(
        None if likely is None else [from_json(Prototype, one) for one in likely],
        None if cluster is None else from_json(Cluster, cluster),
    )


def _maps(item: Mapping[str, Any]) -> Maps:
    masks = np.asarray(item["masks"], bool) if "masks" in item else None
    return Maps(np.asarray(item["maps"], np.float32), item["box"], masks)
