"""List the pictures of a source: a folder tree, a tar file, a folder of tar files, or a list of files."""

from dataclasses import dataclass
from pathlib import Path

from copysight.errors import NoPictures
from copysight.pictures.scan import file_list
from copysight.pictures.scan.account import Account, Tally
from copysight.pictures.scan.entry import Entry
from copysight.pictures.scan.folder import FolderWalk, pictures_of
from copysight.pictures.scan.kinds import SUFFIXES
from copysight.pictures.scan.options import ORDINARY, ScanOptions
from copysight.pictures.scan.rules import Rules

MAX_KEY = 4096
"""Longest key that a catalog takes, in characters."""


@dataclass(frozen=True)
class Scan:
    """The picture files of a source, sorted by key, and what became of all its files.

    ``failed``: the paths of all files, folders and tar files that cannot be read, relative to the source.
    """

    source: Path
    entries: tuple[Entry, ...]
    account: Account
    failed: tuple[str, ...] = ()

    @property
    def ignored(self) -> int:
        """Number of files that were passed over."""
        return sum(one.count for one in self.account.passed_over.values())


def scan(source: Path, options: ScanOptions = ORDINARY, allow_empty: bool = False) -> Scan:
    """List the pictures of ``source``. Nothing in it stops the scan: what cannot be read is counted with its reason.

    Left out are hidden files, folders of systems, folders that hold an index, and what the patterns of
    ``options.exclude`` match (`rules`). Links are followed (`folder`). Raises ``NoPictures`` if there are none, unless
    ``allow_empty``.
    """
    start = source.parent if _is_list(source) else source
    rules, tally = Rules(options.exclude, options.limits.formats, str(start.absolute())), Tally()
    found = sorted(_short_enough(_pictures(source, rules, tally), tally), key=lambda entry: entry.key)
    account = tally.account(str(source), len(found))
    if not found and not allow_empty:
        raise NoPictures(_nothing(account), source=str(source), account=account.to_json())
    return Scan(source, tuple(found), account, tuple(tally.failed))


def _pictures(source: Path, rules: Rules, tally: Tally) -> list[Entry]:
    if source.is_dir():
        return list(FolderWalk(source, rules, tally).entries())
    if _is_list(source):
        return list(file_list.entries(source, rules, tally))
    if source.is_file():
        return list(pictures_of(source, source.name, source.stat(), rules, tally))
    return []


def _is_list(source: Path) -> bool:
    return source.suffix.lower() == file_list.SUFFIX and source.is_file()


def _short_enough(entries: list[Entry], tally: Tally) -> list[Entry]:
    long = [entry for entry in entries if len(entry.key) > MAX_KEY]
    for entry in long:
        tally.fail("name_too_long", entry.key[:80] + "…", f"the path has more than {MAX_KEY:,} characters")
    return [entry for entry in entries if len(entry.key) <= MAX_KEY] if long else entries


def _nothing(account: Account) -> str:
    passed, unreadable = account.passed_over, account.unreadable
    seen = [f"{one.count:,} {reason}" for reason, one in sorted({**passed, **unreadable}.items())]
    faults = [f"{one.name}: {one.detail}" for each in unreadable.values() for one in each.examples[:1]]
    return (
        f"found no pictures at {account.source} ({'; '.join([', '.join(seen) or 'no files', *faults])}); "
        f"give a folder or tar shards with {', '.join(sorted(SUFFIXES))} files, or a list of them (.txt)"
    )
