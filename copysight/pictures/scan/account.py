"""The account of a scan: what became of every file. Each is in exactly one bin, so the numbers add up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from copysight.system import names

EXAMPLES = 5
SHOWN = 3
REASONS = {
    "hidden": "hidden (a name that begins with a dot)",
    "system_folder": "in folders of a system (trash, thumbnails, snapshots)",
    "excluded": "excluded",
    "holds_index": "folders of an index or a backup",
    "not_a_picture": "not pictures",
    "unsupported_format": "in formats that are not read",
    "archive": "archives other than tar files (unpack them)",
    "special_file": "pipes, sockets and devices",
    "link_loop": "links to a folder above them",
    "listed_already": "links to a folder, or lines, that are listed already",
    "replaced_in_tar": "replaced by a later member of the same name",
}
"""Reasons for passing over a file, a folder or a member of a tar file, in words."""


@dataclass(frozen=True)
class Example:
    """One name of a bin. ``detail`` says what was wrong; empty where the reason says it all."""

    name: str
    detail: str = ""


@dataclass(frozen=True)
class Failure:
    """A file that cannot be read: its key, the stable error ``code``, and the reason in words."""

    key: str
    code: str
    detail: str


@dataclass(frozen=True)
class Bin:
    """Number of files that have a reason in common, and the first few of them."""

    count: int = 0
    examples: tuple[Example, ...] = ()


Bins = Mapping[str, Bin]


@dataclass(frozen=True)
class Account:
    """Number of files (members of tar files too) in each bin; ``passed_over`` and ``unreadable`` by reason.

    A folder or tar file that was read counts in ``folders`` or ``shards`` and not among the files. A folder that was
    not read counts as one file.
    """

    source: str
    taken: int = 0
    passed_over: Bins = field(default_factory=dict)
    unreadable: Bins = field(default_factory=dict)
    folders: int = 0
    shards: int = 0

    @property
    def found(self) -> int:
        """Number of all files: taken, passed over and unreadable."""
        return self.taken + _total(self.passed_over) + _total(self.unreadable)

    def with_failures(self, failures: Iterable[Failure]) -> "Account":
        """The account after reading: files that were taken but cannot be read move to their bin."""
        unreadable, taken = dict(self.unreadable), self.taken
        for failure in failures:
            _count(unreadable, failure.code, Example(failure.key, failure.detail))
            taken -= 1
        return replace(self, taken=taken, unreadable=unreadable)

    def to_json(self) -> dict[str, Any]:
        """All numbers, and examples for each reason."""
        return {
            "source": self.source,
            "found": self.found,
            "taken": self.taken,
            "passed_over": _bins_to_json(self.passed_over),
            "unreadable": _bins_to_json(self.unreadable),
            "folders": self.folders,
            "shards": self.shards,
        }

    def lines(self) -> list[str]:
        """The account as lines of text."""
        left_out, unread = _total(self.passed_over), _total(self.unreadable)
        read = f"{self.folders:,} folders" + f" and {self.shards:,} tar files" * bool(self.shards)
        total = f"{self.found:,} files in {read}: {self.taken:,} pictures, {left_out:,} passed over"
        lines = [f"{total}, {unread:,} unreadable"]
        for reason, bin_ in sorted(self.passed_over.items()):
            lines.append(f"  passed over: {bin_.count:,} {REASONS.get(reason, reason)}: {_names(bin_)}")
        for code, bin_ in sorted(self.unreadable.items()):
            lines.append(f"  unreadable: {bin_.count:,} {code}")
            lines += [f"    {one.name}: {one.detail}" for one in bin_.examples[:SHOWN]]
            lines += [f"    … and {bin_.count - SHOWN:,} more"] * (bin_.count > SHOWN)
        return lines


@dataclass
class Tally:
    """Counts files while a scan runs. Names are given as paths and kept as keys.

    ``failed``: the paths of all files, folders and tar files that cannot be read, relative to the source.
    """

    passed_over: dict[str, Bin] = field(default_factory=dict)
    unreadable: dict[str, Bin] = field(default_factory=dict)
    folders: int = 0
    shards: int = 0
    failed: list[str] = field(default_factory=list)

    def pass_over(self, reason: str, path: str) -> None:
        """Count a file that is left out on purpose."""
        _count(self.passed_over, reason, Example(names.key_of(path)))

    def fail(self, code: str, path: str, detail: str) -> None:
        """Count a file that cannot be read."""
        _count(self.unreadable, code, Example(names.key_of(path), detail))
        self.failed.append(path)

    def account(self, source: str, taken: int) -> Account:
        """What was counted."""
        return Account(source, taken, self.passed_over, self.unreadable, self.folders, self.shards)


def _count(bins: dict[str, Bin], reason: str, example: Example) -> None:
    before = bins.get(reason, Bin())
    more = (example,) if before.count < EXAMPLES else ()
    bins[reason] = Bin(before.count + 1, before.examples + more)


def _total(bins: Bins) -> int:
    return sum(one.count for one in bins.values())


def _names(bin_: Bin) -> str:
    return ", ".join(one.name for one in bin_.examples[:SHOWN]) + ", …" * (bin_.count > SHOWN)


def _bins_to_json(bins: Bins) -> dict[str, Any]:
    return {
        reason: {
            "count": one.count,
            "examples": [{"name": each.name, "detail": each.detail} for each in one.examples],
        }
        for reason, one in sorted(bins.items())
    }
