"""Lists: collections with a policy, which says what to do with a picture that matches one of their items."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, Self, get_args

import sqlalchemy as sa

from copysight.catalog.moderation.tables import lists
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.system import names, storable

Policy = Literal["block", "allow", "review"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
FLOOD, DENIALS, MOST = 20, 3, 1_000_000
"""Matches in an hour and denied matches from which on an item goes to quarantine, by default, and the largest number of
either. Items of `block` and `allow` lists have no limit of matches by default: who floods a list must not open it."""
LONGEST_NAME, LONGEST_ACTION, LONGEST_NOTE = 200, 255, 4096


@dataclass(frozen=True)
class ListPolicy:
    """The policy of the list ``name``, a collection.

    ``action``: the text that answers carry; the name of the policy unless another one is set. ``precision``: matches
    count if they keep this expected precision; None: if their verdict is `copy` or `exact`. ``expires``: seconds since
    the epoch from which on the list matches nothing; None: never. A list that is not ``enabled`` matches nothing.
    ``flood``: an item with more new matches in an hour goes to quarantine. ``denials``: so does one with as many denied
    matches. None: never.
    Raises ``InvalidArgument``.
    """

    name: str
    policy: Policy
    action: str = ""
    precision: float | None = None
    expires: float | None = None
    enabled: bool = True
    note: str = ""
    flood: int | None = None
    denials: int | None = DENIALS

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= LONGEST_NAME or not names.is_allowed(self.name):
            raise InvalidArgument(
                f"got the list {self.name[:80]!r}; it is named like a collection: 1 to {LONGEST_NAME} characters, "
                "without control characters, line breaks and characters that change the direction of the text"
            )
        if self.policy not in POLICIES:
            raise InvalidArgument(f"got the policy {self.policy!r:.80}; it must be one of {', '.join(POLICIES)}")
        if self.precision is not None and not 0 < self.precision < 1:
            raise InvalidArgument(f"got precision = {self.precision:g}; it must be between 0 and 1")
        for name, count in (("flood", self.flood), ("denials", self.denials)):
            if count is not None and not 0 < count <= MOST:
                raise InvalidArgument(f"got {name} = {count}; it must be within 1 and {MOST:,}, or null")
        check_time("expires", self.expires)
        check_note(self.note)
        object.__setattr__(self, "action", storable.check_text(self.action or self.policy, "action", LONGEST_ACTION))

    def is_active(self, now: float) -> bool:
        """Whether the list matches at the time ``now``."""
        return self.enabled and (self.expires is None or now < self.expires)


@dataclass(frozen=True)
class Learned:
    """What a list has learned from ``samples`` decisions: its log odds are ``slope`` * the stated ones + ``intercept``.

    The slope is positive.
    """

    slope: float
    intercept: float
    samples: int


@dataclass(frozen=True)
class StoredList:
    """A list, when it was last changed (seconds since the epoch) and by whom (a key's name), and what it learned."""

    list: ListPolicy
    changed: float
    author: str | None
    learned: Learned | None = None

    @classmethod
    def of(cls, row: sa.RowMapping) -> Self:
        """From a row of the table."""
        policy = ListPolicy(**{one.name: row[one.name] for one in fields(ListPolicy)})
        learned = None if row["slope"] is None else Learned(row["slope"], row["intercept"], row["samples"])
        return cls(policy, row["changed"], row["author"], learned)


def put(connection: sa.Connection, new: ListPolicy, changed: float, author: str | None) -> bool:
    """Create or replace a list. Returns whether it is new."""
    row = asdict(new) | {"changed": changed, "author": author}
    if connection.execute(lists.update().where(lists.c.name == new.name).values(**row)).rowcount:
        return False
    connection.execute(lists.insert().values(**row))
    return True


def learn(connection: sa.Connection, name: str, learned: Learned | None) -> None:
    """Store what a list has learned, None: nothing; without effect if there is no such list."""
    row = dict.fromkeys(("slope", "intercept", "samples")) if learned is None else asdict(learned)
    connection.execute(lists.update().where(lists.c.name == name).values(**row))


def delete(connection: sa.Connection, name: str) -> None:
    """Forget the policy of a list; its collection stays. Raises ``ItemNotFound``."""
    if not connection.execute(lists.delete().where(lists.c.name == name)).rowcount:
        raise ItemNotFound(f"there is no list {name[:80]!r}; GET /lists names all")


def read(connection: sa.Connection) -> list[StoredList]:
    """All lists, by name."""
    return [StoredList.of(row) for row in connection.execute(sa.select(lists).order_by(lists.c.name)).mappings()]


def check_time(name: str, given: float | None) -> None:
    """Raise ``InvalidArgument`` unless a time is None or a finite, positive number of seconds since the epoch."""
    if given is not None and not (math.isfinite(given) and 0 < given < 1e12):
        raise InvalidArgument(f"got {name} = {given}; it must be a time in seconds since the epoch, or null")


def check_note(note: str) -> None:
    """Raise ``InvalidArgument`` unless a note is empty or can be stored."""
    if note:
        storable.check_text(note, "note", LONGEST_NOTE)
