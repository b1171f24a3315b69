"""What an item may be called and may carry."""

import json
from collections.abc import Mapping
from typing import Any

from copysight.catalog.records import NewItem
from copysight.errors import InvalidArgument

MOST_METADATA = 65536
MOST_DEPTH = 32
"""Of lists and objects within metadata: what is deeper can be stored, but not be written into an answer."""


def check(item: NewItem) -> None:
    """Raise ``InvalidArgument`` unless an item's names, digest and metadata can be stored and told again."""
    for name, text, most in (("collection", item.collection, 255), ("key", item.key, 4096)):
        if not 0 < len(text) <= most or not text.isprintable():
            raise InvalidArgument(f"got the {name} {text[:80]!r}; needed are 1 to {most} printable characters")
    if len(item.sha256) != 64 or item.sha256.strip("0123456789abcdef"):
        raise InvalidArgument(f"got the sha256 {item.sha256[:80]!r}; needed are 64 hexadecimal digits")
    check_metadata(item.metadata)


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Raise ``InvalidArgument`` unless metadata are JSON of a bounded size and depth."""
    try:
        size = len(json.dumps(dict(metadata), allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"the metadata is no JSON object ({error}); send texts, numbers, lists") from error
    if size > MOST_METADATA or not all(isinstance(name, str) for name in metadata):
        raise InvalidArgument(f"got {size} bytes of metadata; at most {MOST_METADATA} are allowed, with names as text")
    if _deeper(metadata, MOST_DEPTH):
        raise InvalidArgument(f"got metadata nested deeper than {MOST_DEPTH}; flatten it")


def _deeper(value: object, most: int) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return False
    parts = value.values() if isinstance(value, Mapping) else value
    return most == 0 or any(_deeper(part, most - 1) for part in parts)
