"""Recognise files by the keys that version 0.1 gave them, so that they are not added again under other keys."""

from collections.abc import Sequence
from dataclasses import replace

from copysight.catalog import Catalog, Item
from copysight.pictures.scan import Entry, Scan
from copysight.system import names


def with_known_keys(found: Scan, catalog: Catalog, collection: str) -> Scan:
    """The scan, where a file keeps the former key under which it is in the catalog.

    It does not if the catalog has its present key, or if the former key is the present key of another file.
    """
    renamed = [entry for entry in found.entries if entry.former is not None]
    if not renamed:
        return found
    known = catalog.find_many(collection, [key for entry in renamed for key in (entry.key, entry.former) if key])
    present = {entry.key for entry in found.entries}

    def keyed(entry: Entry) -> Entry:
        if entry.former is None or entry.former not in known or entry.key in known or entry.former in present:
            return entry
        return replace(entry, key=entry.former, former=None)

    entries = sorted(map(keyed, found.entries), key=lambda entry: entry.key)
    return replace(found, entries=tuple(entries))


def find(catalog: Catalog, collection: str, given: Sequence[str]) -> dict[str, Item]:
    """Items by what was given for them: a key as it is listed, or the name of the file."""
    candidates = {name: _candidates(name) for name in given}
    known = catalog.find_many(collection, {key for keys in candidates.values() for key in keys})
    return {name: known[key] for name, keys in candidates.items() for key in reversed(keys) if key in known}


def _candidates(name: str) -> list[str]:
    """Possible keys, the best first."""
    keys = [name, names.key_of(name), names.former_key(name) or name]
    return [key for key in keys if names.is_allowed(key)]
