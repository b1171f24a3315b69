"""The hash chain of the audit trail: each hash covers an entry and the hash before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
"""What stands for the hash before the first entry."""


@dataclass(frozen=True)
class Link:
    """An entry as canonical JSON, and its hash."""

    entry: str
    hash: str


@dataclass(frozen=True)
class Checked:
    """The number of entries, the hash of the last one, and the first fault; None if the chain is sound."""

    count: int
    head: str
    fault: str | None


def canonical(entry: Mapping[str, Any]) -> str:
    """JSON with sorted keys, without spaces, in ASCII: the same text for the same entry everywhere."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(previous: str, entry: str) -> str:
    """The sha256 of the previous hash, a line break and the entry, 64 hexadecimal digits."""
    return hashlib.sha256(f"{previous}\n{entry}".encode()).hexdigest()


def check(links: Iterable[Link]) -> Checked:
    """Check a chain from its first entry on: numbers without a gap from 1 on, and each hash over the one before."""
    previous, count = GENESIS, 0
    for link in links:
        number = json.loads(link.entry).get("id")
        if number != count + 1:
            return Checked(count, previous, f"entry {number} follows entry {count}: entries are missing or were added")
        if digest(previous, link.entry) != link.hash:
            return Checked(count, previous, f"entry {number} is not what was written: its hash does not follow")
        previous, count = link.hash, count + 1
    return Checked(count, previous, None)
