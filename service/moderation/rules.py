"""The rules that a search uses: the lists that match now, and the snapshot without hidden items."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from copysight.catalog.moderation.lists import StoredList
from copysight.catalog.moderation.moderation import Moderation, Rules
from copysight.index import Snapshot


@dataclass(frozen=True)
class Current:
    """The ``lists`` that match now, by name, and the ``snapshot`` without the items that are hidden now.

    ``quarantined``: items whose matches decide nothing. ``denied``: whether any match was ever denied.
    """

    lists: Mapping[str, StoredList]
    snapshot: Snapshot
    quarantined: frozenset[int]
    denied: bool


@dataclass(frozen=True)
class _Read:
    """Rules, and the change sequence of the catalog up to which they are known to be unchanged."""

    rules: Rules
    sequence: int


@dataclass(frozen=True)
class _Visible:
    """A ``snapshot`` without the items that ``rules`` hide, of the snapshot ``base``; right ``until`` a time."""

    base: Snapshot
    rules: Rules
    until: float
    snapshot: Snapshot


class CurrentRules:
    """Rules, read again when the catalog says that they have changed. All methods are thread-safe.

    A snapshot that is up to date therefore also sees the lists and items that another process changed. If nothing has
    changed, no read is needed.
    """

    def __init__(self, moderation: Moderation, clock: Callable[[], float] = time.time) -> None:
        self._moderation = moderation
        self._clock = clock
        self._read = _Read(Rules(), -1)
        self._visible: _Visible | None = None

    def current(self, snapshot: Snapshot) -> Current:
        """The rules for a search of a snapshot; may block."""
        rules, now = self._rules(snapshot.sequence), self._clock()
        visible = self._without(snapshot, rules, now) if rules.hidden else snapshot
        return Current(rules.active(now), visible, rules.quarantined, rules.denied)

    def _rules(self, sequence: int) -> Rules:
        read = self._read
        if sequence > read.sequence:
            changed = self._moderation.version() != read.rules.version
            read = _Read(self._moderation.rules() if changed else read.rules, sequence)
            self._read = read
        return read.rules

    def _without(self, snapshot: Snapshot, rules: Rules, now: float) -> Snapshot:
        made = self._visible
        if made is None or made.base is not snapshot or made.rules is not rules or now >= made.until:
            hidden = np.array([one.item for one in rules.hidden if one.since <= now], np.int64)
            until = min((one.since for one in rules.hidden if one.since > now), default=math.inf)
            made = _Visible(snapshot, rules, until, snapshot.without(hidden))
            self._visible = made
        return made.snapshot
