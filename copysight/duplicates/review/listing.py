"""The groups of a collection as they are now: from the stored pairs, without deleted items and by what was decided."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import get_args

from copysight.catalog import Catalog
from copysight.catalog.relocation import Known
from copysight.duplicates import keep
from copysight.duplicates.groups import Group, form_groups
from copysight.duplicates.keep import Rule
from copysight.duplicates.pair import Kind
from copysight.duplicates.picture import Picture
from copysight.duplicates.review import result
from copysight.duplicates.review.decided import Decided
from copysight.duplicates.review.result import Result
from copysight.errors import InvalidArgument

PROBABILITY = 0.9
CACHED = 8
CHOSEN = "chosen by hand"
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Wanted:
    """Which groups are asked for: the keep rules, the least probability, kinds of members, and how keys begin.

    A group is listed if the key of one of its pictures begins with ``prefix``.
    """

    keep: str = keep.DEFAULT
    probability: float = PROBABILITY
    kinds: tuple[Kind, ...] = KINDS
    prefix: str = ""


@dataclass(frozen=True)
class Listing:
    """``groups``, those that free most bytes first, their ``pictures`` by number, and the ``ids`` of the items."""

    groups: tuple[Group, ...]
    pictures: tuple[Picture, ...]
    ids: tuple[int, ...]
    rules: tuple[Rule, ...]
    decided: Decided

    def reason(self, group: Group) -> str:
        """Why the picture of a group is kept, in words."""
        kept, others = self.pictures[group.keep], [self.pictures[one.number] for one in group.members]
        if self.decided.is_chosen(kept.sha256):
            return CHOSEN
        return keep.reason(kept, others, self.rules)


def kinds_of(text: str) -> tuple[Kind, ...]:
    """The kinds of a text such as ``exact,resized``. Raises ``InvalidArgument``."""
    given = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [one for one in given if one not in KINDS]:
        raise InvalidArgument(f"got the verdict {unknown[0][:80]!r}; use {', '.join(KINDS)}, separated by commas")
    return tuple(kind for kind in KINDS if kind in given) or KINDS


def form(found: Result, items: Mapping[int, Known], decided: Decided, wanted: Wanted) -> Listing:
    """The groups of a result. Items that were deleted since, or have another picture, are in none."""
    rules = keep.parse(wanted.keep)
    now = [items.get(number) for number in found.ids]
    there = [item is not None and item.sha256 == one.sha256 for item, one in zip(now, found.pictures, strict=True)]
    pictures = tuple(_at(one, item) for one, item in zip(found.pictures, now, strict=True))
    alive = [pair for pair in found.pairs if there[pair.one] and there[pair.other]]
    pairs = decided.pairs(alive, [one.sha256 for one in pictures])

    @cache
    def rank(number: int) -> tuple[object, ...]:
        return (not decided.is_chosen(pictures[number].sha256), *keep.rank(pictures[number], rules), number)

    groups = [_of_kinds(group, wanted.kinds) for group in form_groups(pairs, rank, wanted.probability)]
    listed = [group for group in groups if group.members and _begins(group, pictures, wanted.prefix)]
    listed.sort(key=lambda group: (-_freed(group, pictures), pictures[group.keep].path))
    return Listing(tuple(listed), pictures, found.ids, rules, decided)


class Review:
    """The listings of an index, formed again when the result or the catalog has changed. Thread-safe."""

    def __init__(self, catalog: Catalog, directory: Path) -> None:
        self._catalog, self._directory = catalog, directory
        self._lock = threading.Lock()
        self._results: dict[Path, tuple[object, Result]] = {}
        self._listings: OrderedDict[object, Listing] = OrderedDict()

    def result(self, collection: str | None) -> Result | None:
        """The stored result of a collection, or None."""
        path = result.path_of(self._directory, collection)
        try:
            status = path.stat()
        except OSError:
            return None
        stamp = (status.st_mtime_ns, status.st_size)
        with self._lock:
            if (held := self._results.get(path)) is not None and held[0] == stamp:
                return held[1]
            found = result.read(path)
            if found is not None:
                self._results[path] = (stamp, found)
            return found

    def listing(self, found: Result, wanted: Wanted) -> Listing:
        """The groups of a result as they are now. Raises ``InvalidArgument``."""
        key = (found.collection, found.made, self._catalog.sequence(), wanted)
        with self._lock:
            if (held := self._listings.get(key)) is None:
                items = self._catalog.known_by_ids(found.ids)
                held = form(found, items, Decided.of(self._catalog.curation.decisions()), wanted)
                self._listings[key] = held
                while len(self._listings) > CACHED:
                    self._listings.popitem(last=False)
            return held


def _at(picture: Picture, item: Known | None) -> Picture:
    """The picture under the key that its item has now."""
    return picture if item is None or item.key == picture.path else replace(picture, path=item.key)


def _of_kinds(group: Group, kinds: tuple[Kind, ...]) -> Group:
    return Group(group.keep, tuple(one for one in group.members if one.kind in kinds))


def _begins(group: Group, pictures: tuple[Picture, ...], prefix: str) -> bool:
    numbers = [group.keep, *(one.number for one in group.members)]
    return any(pictures[number].path.startswith(prefix) for number in numbers)


def _freed(group: Group, pictures: tuple[Picture, ...]) -> int:
    return sum(pictures[one.number].bytes or 0 for one in group.members)
