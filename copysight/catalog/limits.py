"""Check the names, digest and metadata of an item against the limits of the catalog."""

import json
import re
from collections.abc import Mapping
from typing import Any

from copysight.catalog.records import NewItem
from copysight.errors import InvalidArgument
from copysight.system import names, storable

MAX_METADATA = 65536
MAX_SIDE = 2**31 - 1
TAKEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")


def check(item: NewItem) -> None:
    """Raise ``InvalidArgument`` unless an item's names, digest and metadata can be stored and returned."""
    for name, text, most in (("collection", item.collection, 255), ("key", item.key, 4096)):
        if not 0 < len(text) <= most or not names.is_allowed(text):
            raise InvalidArgument(
                f"got the {name} {text[:80]!r}; it must have 1 to {most} characters, without control characters, line "
                "breaks and characters that change the direction of the text"
            )
    if not isinstance(item.sha256, str) or len(item.sha256) != 64 or item.sha256.strip("0123456789abcdef"):
        raise InvalidArgument(f"got the sha256 {item.sha256!r:.80}; it must have 64 hexadecimal digits")
    if item.source is not None:
        storable.check_text(item.source, "source")
    for side in (item.width, item.height):
        if not 0 <= side <= MAX_SIDE:
            raise InvalidArgument(f"got a side of {side:.3g} pixels; it must be within 0 and 2^31 - 1")
    if item.bytes is not None and not 0 <= item.bytes < 2**63:
        raise InvalidArgument(f"got a file of {item.bytes:.3g} bytes; it must be within 0 and 2^63 - 1")
    if item.taken is not None and not TAKEN.fullmatch(item.taken):
        raise InvalidArgument(f"got taken = {item.taken!r:.80}; it must be a date and time such as 2026-05-01T12:30:00")
    if item.camera is not None:
        storable.check_text(item.camera, "camera", 255)
    check_metadata(item.metadata)


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Raise ``InvalidArgument`` unless the metadata are a JSON object of limited size and depth that can be stored."""
    if not isinstance(metadata, Mapping):
        raise InvalidArgument(f"got metadata of the type {type(metadata).__name__}; needed is a JSON object")
    storable.check(dict(metadata), "metadata")
    size = len(json.dumps(dict(metadata)))
    if size > MAX_METADATA:
        raise InvalidArgument(f"got {size:,} bytes of metadata; at most {MAX_METADATA:,} are allowed")
