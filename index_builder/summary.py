"""The summary of a build, as JSON and as text."""

import json
from dataclasses import asdict, dataclass

from copysight.errors import KeyConflict
from copysight.pictures.scan import Account
from index_builder.stages.records import Unreadable
from index_builder.sync.outcome import Followed

MAX_LISTED = 1000
SHOWN = 5


@dataclass(frozen=True)
class Summary:
    """Number of picture files by outcome, and the state of the index.

    Every picture file is created, replaced, unchanged, in conflict (its key already belongs to another picture) or
    unreadable. ``ignored`` counts the other files; ``account`` counts all files by what became of them. This run
    embedded the ``embedded`` files; an earlier run that was stopped did so with the ``resumed`` files. ``reasons``
    counts the unreadable files and the conflicts by error code, and ``failures`` lists the first 1000 of them.
    ``absent``: items of the collection that have no file in this source. ``sync``: what a sync moved and removed.
    """

    index: str
    collection: str
    account: Account
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
    absent: int
    count: int
    generation: str | None
    index_type: str
    recall: float | None
    clusters: int
    seconds: float
    sync: Followed | None = None

    def to_json(self) -> str:
        """All fields as JSON, for ``--json`` and for the message of the job. ``scan`` is the account."""
        fields = asdict(self)
        for name in ("account", *(("sync",) if self.sync is None else ())):
            del fields[name]
        return json.dumps({**fields, "scan": self.account.to_json()})

    def lines(self) -> list[str]:
        """The summary as lines of text: the account of all files, the outcome of the pictures, the index."""
        resumed = f", {self.resumed:,} by an earlier run that was stopped" if self.resumed else ""
        return [
            *self.account.lines(),
            self._outcome_line(),
            *self._conflict_lines(),
            *(self._absent_line() if self.sync is None else self.sync.lines()),
            f"{self.embedded:,} embedded{resumed}, {self.seconds:.1f} s in total",
            self._index_line(),
        ]

    def _outcome_line(self) -> str:
        return (
            f"{self.account.taken:,} pictures: {self.created:,} added, {self.replaced:,} replaced, "
            f"{self.unchanged:,} unchanged, {self.conflicts:,} in conflict"
        )

    def _conflict_lines(self) -> list[str]:
        """The first pictures whose keys belong to other pictures, and what to do."""
        if not self.conflicts:
            return []
        keys = [failure.key for failure in self.failures if failure.code == KeyConflict.code]
        shown = ", ".join(keys[:SHOWN]) + ", …" * (self.conflicts > SHOWN)
        return [f"  in conflict: the index has another picture under the same key (use --replace): {shown}"]

    def _absent_line(self) -> list[str]:
        what = f"items of the collection {self.collection!r} have no file in this source (moved, deleted, or elsewhere)"
        return [f"{self.absent:,} {what}"] if self.absent else []

    def _index_line(self) -> str:
        if self.generation is None:
            return f"{self.index}: {self.count:,} pictures, no generation yet"
        recall = "" if self.recall is None else f", recall {self.recall:.3f}"
        return (
            f"{self.index}: {self.count:,} pictures, generation {self.generation} ({self.index_type}{recall}), "
            f"{self.clusters:,} clusters"
        )
