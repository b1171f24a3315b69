"""The state of the server: index, jobs, readiness, API key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.client.answers.parsing import from_json


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
class Plane:
    """Places of the items on the 2-D map: lists of the same order and length, within -1 and 1.

    ``made`` is false without a map. ``cluster`` is None for items of no cluster yet; ``names``: names of clusters by
    number; ``fields``: those whose values may be asked for; ``value``: the values, None without a field.
    """

    generation: str | None
    model: str
    made: bool
    fields: Sequence[str]
    names: Mapping[str, str]
    id: Sequence[int]
    key: Sequence[str]
    x: Sequence[float]
    y: Sequence[float]
    cluster: Sequence[int | None]
    value: Sequence[Any] | None = None


@dataclass(frozen=True)
class Caller:
    """The API key that the server saw: when it expires, its ``quota`` of a day and its requests of ``today``."""

    name: str | None
    scope: str
    expires: float | None = None
    quota: int | None = None
    today: int | None = None


def index(given: Mapping[str, Any]) -> Index:
    """Parse the response of ``GET /index``."""
    return from_json(Index, given, everything=given)
