"""What a build has done."""

import json
from dataclasses import asdict, dataclass

from index_builder.stages.records import Unreadable

LISTED = 1000


@dataclass(frozen=True)
class Summary:
    """Counts of picture files by outcome, and how the index stands.

    ``embedded`` ran through the model in this call; ``resumed`` were done with by an earlier one that was stopped.
    Files that are ``unreadable`` or in ``conflict`` (their keys are taken by other bytes) are counted by ``reasons``,
    and the first 1000 are listed in ``failures``.
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
        """Everything, as the report in the job's row and for ``--json``."""
        return json.dumps(asdict(self))

    def lines(self) -> list[str]:
        """The same for people."""
        found = [f"{self.pictures:,} picture files ({self.ignored:,} other files passed over)"]
        found.append(
            f"{self.created:,} added, {self.replaced:,} replaced, {self.unchanged:,} there already"
            + (f", {self.conflicts:,} keys taken by other pictures (--replace takes them over)" * bool(self.conflicts))
        )
        if self.unreadable:
            reasons = ", ".join(f"{count:,} {code}" for code, count in sorted(self.reasons.items()))
            found.append(f"{self.unreadable:,} unreadable: {reasons}")
            found += [f"  {failure.key}: {failure.detail}" for failure in self.failures[:5]]
            found += ["  … (--json lists more)"] * (len(self.failures) > 5)
        resumed = f", after {self.resumed:,} of an earlier run that was stopped" if self.resumed else ""
        found.append(f"{self.embedded:,} embedded{resumed}, {self.seconds:.1f} s in all")
        found.append(self._standing())
        return found

    def _standing(self) -> str:
        if self.generation is None:
            return f"{self.index}: {self.count:,} pictures, no generation yet"
        recall = "" if self.recall is None else f", recall {self.recall:.3f}"
        return (
            f"{self.index}: {self.count:,} pictures, generation {self.generation} ({self.index_type}{recall}), "
            f"{self.clusters:,} clusters"
        )
