"""Options of calls, and pictures to add."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from copysight.client.pictures import Source

MapMethod = Literal["heads", "objects"]
"""Which maps ``attention`` answers: those of the attention heads, or of the object of the picture."""


@dataclass(frozen=True)
class New:
    """A picture to add. Without a ``key``, its sha256 becomes the key."""

    picture: Source
    key: str | None = None
    collection: str = "default"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """Options of a search."""

    k: int = 10
    min_probability: float | None = None
    collection: str | None = None
    filter: Mapping[str, Any] | None = None
    effort: str | None = None
    verify: str | None = None
    precision: float | None = None
    lists: bool | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class ListPolicy:
    """The policy of the list ``name``: `block`, `review` or `allow`. What is None gets the server's default.

    ``action``: the text that answers carry. ``precision``: matches count if they keep it. ``expires``: seconds since
    the epoch. ``flood`` and ``denials``: an item with more matches in an hour, or with as many denied matches, goes to
    quarantine.
    """

    name: str
    policy: str
    action: str | None = None
    precision: float | None = None
    expires: float | None = None
    enabled: bool = True
    note: str | None = None
    flood: int | None = None
    denials: int | None = None

    def given(self) -> dict[str, Any]:
        """The fields that are set, without the name."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "name"}


@dataclass(frozen=True)
class DuplicateOptions:
    """Which groups of copies are wanted. ``keep``: the keep rules. ``verdict``: names separated by commas."""

    collection: str | None = None
    min_probability: float | None = None
    verdict: str | None = None
    prefix: str | None = None
    keep: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}
