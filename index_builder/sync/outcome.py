"""What a sync changes, as JSON and as text: of a run, and of a dry run."""

from dataclasses import dataclass
from typing import Any

from index_builder.sync.difference import Difference

MAX_LISTED = 1000
SHOWN = 5


@dataclass(frozen=True)
class Followed:
    """Number of items that got another key, and that left because their file vanished.

    ``unread``: items that stay because their file, or a folder above it, cannot be read. ``elsewhere``: items of the
    collection that are not of this folder. ``decided``: files that were removed as copies, and are not added again.
    """

    moved: int
    removed: int
    unread: int
    elsewhere: int
    decided: int

    def lines(self) -> list[str]:
        """As lines of text."""
        found = [f"{self.moved:,} moved, {self.removed:,} removed because their files have vanished"]
        if self.unread:
            found.append(f"{self.unread:,} items stay although their files, or folders above them, cannot be read")
        if self.elsewhere:
            found.append(f"{self.elsewhere:,} items of the collection are not of this folder, and stay")
        if self.decided:
            found.append(f"{self.decided:,} files were removed as copies by a decision, and were not added again")
        return found


@dataclass(frozen=True)
class Preview:
    """What a sync would do. ``refused``: more would leave than is allowed."""

    difference: Difference
    unreadable: int
    refused: bool

    def to_json(self) -> dict[str, Any]:
        """Counts, and the first 1,000 of each kind."""
        found = self.difference
        moved = [{"id": item.id, "from": item.key, "to": key} for item, key in found.moved]
        removed = [{"id": item.id, "key": item.key} for item in found.vanished]
        lists = {"moved": moved, "removed": removed, "replaced": found.replaced, "added": found.created}
        counts = {name: len(listed) for name, listed in lists.items()} | {
            "unchanged": len(found.unchanged),
            "unread": len(found.unread),
            "elsewhere": len(found.elsewhere),
            "decided": len(found.decided),
            "unreadable": self.unreadable,
        }
        first = {name: list(listed[:MAX_LISTED]) for name, listed in lists.items()}
        return {"dry_run": True, "refused": self.refused, "counts": counts, **first}

    def lines(self) -> list[str]:
        """As lines of text: an account, with examples."""
        found = self.difference
        kinds = {
            "moved": [f"{item.key} -> {key}" for item, key in found.moved],
            "removed, because the file has vanished": [item.key for item in found.vanished],
            "replaced, because the file has other bytes": list(found.replaced),
            "added": list(found.created),
            "left as it is, because the file cannot be read": [item.key for item in found.unread],
            "left as it is, because it is not of this folder": [item.key for item in found.elsewhere],
            "not added, because it was removed as a copy": list(found.decided),
        }
        lines = [f"dry run, nothing was changed: {len(found.unchanged):,} items are as in the folder"]
        for what, listed in kinds.items():
            if listed:
                lines += [f"{len(listed):,} {what}", *(f"    {one}" for one in listed[:SHOWN])]
                lines += [f"    … and {len(listed) - SHOWN:,} more"] * (len(listed) > SHOWN)
        if self.unreadable:
            lines.append(f"{self.unreadable:,} files cannot be read")
        if self.refused:
            lines.append("a sync would refuse this: more would leave than --most-missing allows")
        return lines
