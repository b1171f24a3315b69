"""Groups of copies in a collection, and what was decided about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.client.answers.parsing import from_json


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


def duplicates(given: Mapping[str, Any]) -> Duplicates:
    """Parse the response of ``GET /duplicates``."""
    return from_json(Duplicates, given, groups=[_group(one) for one in given["groups"]])


def _group(given: Mapping[str, Any]) -> DuplicateGroup:
    members = [from_json(Duplicate, one) for one in given["members"]]
    return DuplicateGroup(from_json(Duplicate, given["keep"]), given["reason"], members)
