"""Check the names, digest and metadata of an item against the limits of the catalog."""

import json
from collections.abc import Mapping
from typing import Any

from copysight.catalog.records import NewItem
from copysight.errors import InvalidArgument

MAX_METADATA = 65536
MAX_DEPTH = 32
"""Levels of nested lists and objects in metadata. Deeper metadata could be stored, but not be sent in a response."""


def check(item: NewItem) -> None:
    """Raise ``InvalidArgument`` unless an item's names, digest and metadata can be stored and returned."""
    for name, text, most in (("collection", item.collection, 255), ("key", item.key, 4096)):
        if not 0 < len(text) <= most or not text.isprintable():
            raise InvalidArgument(f"got the {name} {text[:80]!r}; it must have 1 to {most} printable characters")
    if len(item.sha256) != 64 or item.sha256.strip("0123456789abcdef"):
        raise InvalidArgument(f"got the sha256 {item.sha256[:80]!r}; it must have 64 hexadecimal digits")
    check_metadata(item.metadata)


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Raise ``InvalidArgument`` unless the metadata are a JSON object of limited size and depth."""
    try:
        size = len(json.dumps(dict(metadata), allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"the metadata is not a JSON object ({error}); use texts, numbers, booleans, lists and objects"
        ) from error
    if size > MAX_METADATA or not all(isinstance(name, str) for name in metadata):
        raise InvalidArgument(
            f"got {size} bytes of metadata; at most {MAX_METADATA} are allowed, and all names must be texts"
        )
    if _deeper_than(metadata, MAX_DEPTH):
        raise InvalidArgument(f"got metadata nested more than {MAX_DEPTH} levels deep; flatten it")


def _deeper_than(value: object, most: int) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return False
    parts = value.values() if isinstance(value, Mapping) else value
    return most == 0 or any(_deeper_than(part, most - 1) for part in parts)
