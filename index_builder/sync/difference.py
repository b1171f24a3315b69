"""Compare a collection with the files of its folder: what moves, what is replaced, what leaves. Pure functions."""

from collections import Counter
from collections.abc import Callable, Collection, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from copysight.catalog.relocation import Known

NewKey = tuple[Known, str]
"""An item, and the key that it gets."""


@dataclass(frozen=True)
class Difference:
    """What has to change until the collection equals the folder.

    ``unchanged``: keys with the same bytes. ``moved``: items whose bytes are in the folder under another key only.
    ``replaced``: keys with other bytes. ``created``: new keys. ``vanished``: items without a file. ``unread``: items
    whose file, or a folder above it, cannot be read; they stay as they are. ``elsewhere``: items that are not of this
    folder; they stay, too. ``decided``: keys of files that were removed as copies, and are not added again.
    """

    unchanged: tuple[str, ...]
    moved: tuple[NewKey, ...]
    replaced: tuple[str, ...]
    created: tuple[str, ...]
    vanished: tuple[Known, ...]
    unread: tuple[Known, ...]
    elsewhere: tuple[Known, ...]
    decided: tuple[str, ...] = ()

    @property
    def known(self) -> int:
        """Number of items of the folder before the change."""
        return sum(map(len, (self.unchanged, self.moved, self.replaced, self.vanished, self.unread)))


def compare(
    items: Sequence[Known],
    files: Mapping[str, str],
    is_unread: Callable[[str], bool],
    is_of_folder: Callable[[Known], bool],
) -> Difference:
    """Compare ``items`` with ``files``, the sha256 of each readable file by its key.

    Bytes count before names: an item follows its bytes to another key, also if its own key has other bytes now.
    ``is_unread`` says of a key whether its file cannot be read, ``is_of_folder`` of an item whose key has no file
    whether it came from the folder.
    """
    unread = [one for one in items if one.key not in files and is_unread(one.key)]
    kept = {one.id for one in unread}
    elsewhere = [one for one in items if one.key not in files and one.id not in kept and not is_of_folder(one)]
    kept |= {one.id for one in elsewhere}
    unchanged = [one for one in items if files.get(one.key) == one.sha256]
    same = {one.key for one in unchanged}
    open_items = [one for one in items if one.id not in kept and one.key not in same]
    open_keys = [key for key in files if key not in same]
    moved = _moves(open_items, open_keys, files)
    left, taken = {one.id for one, _ in moved}, {key for _, key in moved}
    rest = {one.key: one for one in open_items if one.id not in left}
    new = [key for key in open_keys if key not in taken]
    return Difference(
        unchanged=tuple(sorted(same)),
        moved=tuple(sorted(moved, key=lambda one: one[0].key)),
        replaced=tuple(sorted(key for key in new if key in rest)),
        created=tuple(sorted(key for key in new if key not in rest)),
        vanished=tuple(one for key, one in sorted(rest.items()) if key not in files or key in taken),
        unread=tuple(unread),
        elsewhere=tuple(elsewhere),
    )


def without_removed(found: Difference, files: Mapping[str, str], removed: Sequence[tuple[str, str]]) -> Difference:
    """The difference without new keys that stand for ``removed`` items, given by key and sha256.

    Bytes count, so a removed copy does not come back when its file is moved. Of several files of the same bytes, that
    with the removed key is left out first.
    """
    left = Counter(sha256 for _, sha256 in removed)
    known = set(removed)
    decided = []
    for key in sorted(found.created, key=lambda key: ((key, files[key]) not in known, key)):
        if left[files[key]]:
            left[files[key]] -= 1
            decided.append(key)
    out = set(decided)
    return replace(found, created=tuple(key for key in found.created if key not in out), decided=tuple(sorted(decided)))


def _moves(items: Sequence[Known], keys: Sequence[str], files: Mapping[str, str]) -> list[NewKey]:
    """Pair items with keys of equal bytes; of several, those whose names are most alike."""
    wanted, found = {one.sha256 for one in items}, list[NewKey]()
    free = {key: None for key in sorted(keys) if files[key] in wanted}
    waiting = sorted(items, key=lambda one: one.key)
    for alike in (str.casefold, _name, _folder, lambda _: ""):
        places: dict[Hashable, list[str]] = {}
        for key in reversed(free):
            places.setdefault((files[key], alike(key)), []).append(key)
        later = []
        for item in waiting:
            if fitting := places.get((item.sha256, alike(item.key))):
                key = fitting.pop()
                found.append((item, key))
                del free[key]
            else:
                later.append(item)
        waiting = later
    return found


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


class Unread(Container[str]):
    """The keys of files that cannot be read: those of ``names``, and all that begin like one of ``folders``."""

    def __init__(self, names: Collection[str], folders: Collection[str]) -> None:
        self._names, self._folders = set(names), tuple(folders)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and (key in self._names or key.startswith(self._folders))
