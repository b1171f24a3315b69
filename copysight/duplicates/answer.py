"""The answer of a search for duplicates, as JSON, as CSV and as text."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.duplicates import keep
from copysight.duplicates.groups import Group
from copysight.duplicates.keep import Rule
from copysight.duplicates.picture import Picture

COLUMNS = (
    "group", "role", "path", "probability", "verdict", "width", "height", "bytes", "format", "taken", "camera",
    "reason", "sha256",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Groups, their ``pictures`` by number, the ``rules`` that chose what is kept, and the files that were not read."""

    groups: tuple[Group, ...]
    pictures: Mapping[int, Picture]
    rules: Sequence[Rule]
    unreadable: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The groups by path; members without the picture that is kept."""
        return {
            "groups": [
                {
                    "keep": self.pictures[group.keep].path,
                    "members": [
                        {
                            "path": self.pictures[member.number].path,
                            "probability": round(member.probability, 4),
                            "verdict": member.kind,
                        }
                        for member in group.members
                    ],
                }
                for group in self.groups
            ],
            "unreadable": list(self.unreadable),
        }

    def to_csv(self) -> str:
        """A line for each picture of each group, the kept one first."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, group in enumerate(self.groups, start=1):
            kept = self.pictures[group.keep]
            writer.writerow([number, "keep", kept.path, "", "", *_facts(kept), self.reason(group), kept.sha256])
            for member in group.members:
                one = self.pictures[member.number]
                found = [f"{member.probability:.4f}", member.kind]
                writer.writerow([number, "member", one.path, *found, *_facts(one), "", one.sha256])
        return out.getvalue()

    def reason(self, group: Group) -> str:
        """Why the picture of a group is kept, in words."""
        others = [self.pictures[member.number] for member in group.members]
        return keep.reason(self.pictures[group.keep], others, self.rules)

    def lines(self) -> list[str]:
        """The groups and their totals as lines of text."""
        lines = []
        for group in self.groups:
            lines.append(f"{self.pictures[group.keep].path}  (kept: {self.reason(group)})")
            lines += [
                f"    {member.kind:8} {member.probability:.3f}  {self.pictures[member.number].path}"
                for member in group.members
            ]
        return [*lines, self.total()]

    def total(self) -> str:
        """Number of groups and copies, by verdict, and the bytes of the copies."""
        members = [member for group in self.groups for member in group.members]
        kinds = Counter(member.kind for member in members)
        freed = sum(self.pictures[member.number].bytes or 0 for member in members)
        parts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        detail = f" ({parts}; {freed / 1e6:,.1f} MB)" if members else ""
        unread = f", {len(self.unreadable):,} unreadable" if self.unreadable else ""
        return f"{len(self.groups):,} groups with {len(members):,} copies{detail}{unread}"


def _facts(picture: Picture) -> list[Any]:
    values = [picture.width, picture.height, picture.bytes, picture.format, picture.taken, picture.camera]
    return ["" if value is None else value for value in values]
