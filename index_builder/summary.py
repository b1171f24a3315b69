"""The summary of a build, as JSON and as text."""

import json
from dataclasses import asdict, dataclass

from index_builder.stages.records import Unreadable

MAX_LISTED = 1000


@dataclass(frozen=True)
class Summary:
    """Number of picture files by outcome, and the state of the index.

    This run embedded the ``embedded`` files; an earlier run that was stopped did so with the ``resumed`` files.
    ``conflicts`` are files whose key already belongs to another picture. ``reasons`` counts the unreadable files and
    the conflicts by error code, and ``failures`` lists the first 1000 of them.
    """

    index: str
    pictures: int
    ignored: int
    embedded: int
    resumed: int
    created: int
    replaced: int
    unchanged: int
    conflicts: int
    unreadable: int
    reasons: dict[str, int]
    failures: tuple[Unreadable, ...]
    count: int
    generation: str | None
    index_type: str
    recall: float | None
    clusters: int
    seconds: float

    def to_json(self) -> str:
        """All fields as JSON, for ``--json`` and for the message of the job."""
        return json.dumps(asdict(self))

    def lines(self) -> list[str]:
        """The summary as lines of text."""
        found = [f"{self.pictures:,} picture files ({self.ignored:,} other files ignored)"]
        found.append(
            f"{self.created:,} added, {self.replaced:,} replaced, {self.unchanged:,} unchanged"
            + (f", {self.conflicts:,} keys belong to other pictures (use --replace)" * bool(self.conflicts))
        )
        if self.unreadable:
            reasons = ", ".join(f"{count:,} {code}" for code, count in sorted(self.reasons.items()))
            found.append(f"{self.unreadable:,} unreadable: {reasons}")
            found += [f"  {failure.key}: {failure.detail}" for failure in self.failures[:5]]
            found += ["  … (use --json for more)"] * (len(self.failures) > 5)
        resumed = f", {self.resumed:,} by an earlier run that was stopped" if self.resumed else ""
        found.append(f"{self.embedded:,} embedded{resumed}, {self.seconds:.1f} s in total")
        found.append(self._index_line())
        return found

    def _index_line(self) -> str:
        if self.generation is None:
            return f"{self.index}: {self.count:,} pictures, no generation yet"
        recall = "" if self.recall is None else f", recall {self.recall:.3f}"
        return (
            f"{self.index}: {self.count:,} pictures, generation {self.generation} ({self.index_type}{recall}), "
            f"{self.clusters:,} clusters"
        )
