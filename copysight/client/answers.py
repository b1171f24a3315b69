"""What the server answers, typed. Fields that a newer server adds are left aside."""

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
    """Why one picture of several could not be used."""

    code: str
    detail: str


@dataclass(frozen=True)
class Match:
    """An item of the collection that a picture was found to be like.

    ``where``: None for the whole picture; else its ``region`` (left, top, right, bottom in shares of the sides; may be
    None) and the ``turn`` in degrees to the left with which it was found.
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


@dataclass(frozen=True)
class Found:
    """Matches of each picture, in order; a ``Fault`` for one that cannot be used."""

    model: str
    generation: str | None
    sequence: int
    items: Sequence[Sequence[Match] | Fault]


@dataclass(frozen=True)
class Embeddings:
    """A vector (D,) of each picture, float32 and L2-normalised; a ``Fault`` for one that cannot be used."""

    model: str
    generation: str | None
    dimension: int
    items: Sequence[Float | Fault]

    def array(self) -> Float:
        """All vectors (N, D). Raises ``Refused`` if a picture could not be used."""
        for place, one in enumerate(self.items):
            if isinstance(one, Fault):
                raise Refused(200, one.code, f"picture {place}: {one.detail}")
        return np.asarray(self.items, np.float32).reshape(-1, self.dimension)


@dataclass(frozen=True)
class Comparison:
    """Whether one of two pictures is a copy of the other; ``where`` as in a match, with ``picture``, 1 or 2."""

    model: str
    similarity: float
    score: float
    probability: float | None
    verdict: str
    where: Mapping[str, Any] | None


@dataclass(frozen=True)
class Prototype:
    """One of the bundle's prototypes, and how probable it is."""

    index: int
    probability: float


@dataclass(frozen=True)
class Cluster:
    """A cluster of the collection; ``similarity`` is that of the picture to its centre."""

    id: int
    size: int
    similarity: float
    name: str | None


@dataclass(frozen=True)
class Membership:
    """Where a picture belongs; None for what the bundle or the collection does not have."""

    prototypes: Sequence[Prototype] | None
    cluster: Cluster | None


@dataclass(frozen=True)
class Group:
    """A cluster as a whole: the mean cosine of its members to the centre, and the ids of those nearest to it."""

    id: int
    size: int
    tightness: float
    name: str | None
    representatives: Sequence[int]


@dataclass(frozen=True)
class Members:
    """A cluster and some of its items, those nearest to its centre first."""

    id: int
    size: int
    name: str | None
    items: Sequence["Item"]


@dataclass(frozen=True)
class Maps:
    """Attention (H, rows, columns) over the part ``box`` (left, top, right, bottom) of the picture."""

    maps: Float
    box: Sequence[float]
    masks: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class Item:
    """A picture of the collection."""

    id: int
    key: str
    collection: str
    sha256: str
    width: int
    height: int
    sequence: int
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Added:
    """What became of an addition: ``created``, ``unchanged`` or ``replaced``."""

    status: str
    item: Item


@dataclass(frozen=True)
class Page:
    """Some items; ``next`` is where the following page starts, None on the last one."""

    items: Sequence[Item]
    next: int | None


@dataclass(frozen=True)
class Index:
    """How the collection stands; ``everything`` is all that the server tells of it."""

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
    """``ready``, or ``stale``: an older generation answers, for the reason in ``detail``."""

    status: str
    detail: str | None
    generation: str | None
    milliseconds: float


@dataclass(frozen=True)
class Caller:
    """Who the server takes us for."""

    name: str | None
    scope: str


def of(kind: type[T], given: Mapping[str, Any], **more: Any) -> T:
    """``kind`` from a JSON object: its fields by name."""
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given} | more)  # type: ignore[arg-type]


def fault(item: Mapping[str, Any]) -> Fault | None:
    """The error of an item, if it has one."""
    return of(Fault, item["error"]) if "error" in item else None


def found(given: Mapping[str, Any]) -> Found:
    """Of ``POST /search``."""
    return of(
        Found, given, items=[fault(item) or [of(Match, one) for one in item["matches"]] for item in given["items"]]
    )


def embeddings(given: Mapping[str, Any]) -> Embeddings:
    """Of ``POST /embed``."""
    return of(
        Embeddings, given, items=[fault(one) or np.asarray(one["embedding"], np.float32) for one in given["items"]]
    )


def memberships(given: Mapping[str, Any]) -> list[Membership | Fault]:
    """Of ``POST /clusters``."""
    return [fault(item) or _membership(item) for item in given["items"]]


def maps(given: Mapping[str, Any]) -> list[Maps | Fault]:
    """Of ``POST /attention``."""
    return [fault(item) or _maps(item) for item in given["items"]]


def page(given: Mapping[str, Any]) -> Page:
    """Of ``GET /images``."""
    return Page([of(Item, item) for item in given["items"]], given["next"])


def added(given: Mapping[str, Any]) -> Added | Fault:
    """Of one line of ``POST /images``."""
    return fault(given) or Added(given["status"], of(Item, given["item"]))


def members(given: Mapping[str, Any]) -> Members:
    """Of ``GET /clusters/{number}``."""
    return of(Members, given, items=[of(Item, one) for one in given["members"]])


def index(given: Mapping[str, Any]) -> Index:
    """Of ``GET /index``."""
    return of(Index, given, everything=given)


def _membership(item: Mapping[str, Any]) -> Membership:
    likely, cluster = item["prototypes"], item["cluster"]
    return Membership(
        None if likely is None else [of(Prototype, one) for one in likely],
        None if cluster is None else of(Cluster, cluster),
    )


def _maps(item: Mapping[str, Any]) -> Maps:
    masks = np.asarray(item["masks"], bool) if "masks" in item else None
    return Maps(np.asarray(item["maps"], np.float32), item["box"], masks)
