"""Walk through a folder tree in a fixed order, follow links, and put every entry into a bin."""

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from copysight.pictures.scan import kinds, shard
from copysight.pictures.scan.account import Tally
from copysight.pictures.scan.entry import Entry
from copysight.pictures.scan.rules import Rules, holds_index
from copysight.system import names


@dataclass(frozen=True)
class Folder:
    """A folder to read: its ``path`` for the system, its ``name`` relative to the source, and its ``real`` path."""

    path: str
    name: str
    real: str

    def child(self, name: str) -> str:
        """Path of an entry relative to the source."""
        return f"{self.name}/{name}" if self.name else name


class FolderWalk:
    """The pictures below a folder, which has a ``name`` in the source if it is only a part of it.

    Every folder is read once. Links to folders are followed last, so that a folder that lies in the source is listed
    under its own name. A link that leads to a folder above it, or above the source, is not followed.
    """

    def __init__(self, root: Path, rules: Rules, tally: Tally, name: str = "") -> None:
        self._root = Folder(str(root), name, os.path.realpath(root))
        self._rules, self._tally = rules, tally
        self._links: deque[Folder] = deque()
        self._read: set[str] = set()

    def entries(self) -> Iterator[Entry]:
        """Yield the pictures, and those in tar files."""
        yield from self._below(self._root)
        while self._links:
            link = self._links.popleft()
            above = os.path.realpath(Path(link.path).parent)
            if _contains(link.real, above) or _contains(link.real, self._root.real):
                self._tally.pass_over("link_loop", link.name)
            else:
                yield from self._below(link)

    def _below(self, start: Folder) -> Iterator[Entry]:
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            if folder.real in self._read:
                self._tally.pass_over("listed_already", folder.name)
                continue
            inner: list[Folder] = []
            for entry in self._listed(folder):
                found = self._sorted_out(folder, entry)
                if isinstance(found, Folder):
                    inner.append(found)
                elif found is not None:
                    yield from self._pictures(found, folder.child(entry.name), entry)
            waiting += reversed(inner)

    def _listed(self, folder: Folder) -> "list[os.DirEntry[str]]":
        """The entries of a folder, sorted by name; none if it is left out."""
        self._read.add(folder.real)
        found: list[os.DirEntry[str]] = []
        try:
            with os.scandir(folder.path) as entries:
                found.extend(entries)
        except OSError as error:
            self._tally.fail("unreadable_folder", folder.name or ".", f"the folder cannot be read: {error.strerror}")
        else:
            if holds_index({entry.name for entry in found}):
                self._tally.pass_over("holds_index", folder.name or ".")
                return []
            self._tally.folders += 1
        return sorted(found, key=lambda entry: entry.name)

    def _sorted_out(self, folder: Folder, entry: "os.DirEntry[str]") -> Folder | os.stat_result | None:
        """A folder to read now, the status of a file, or None: left out, or a link to follow later."""
        name = folder.child(entry.name)
        is_folder = _is_folder(entry)
        if reason := self._rules.reason(entry.name, name, is_folder):
            self._tally.pass_over(reason, name)
        elif not is_folder:
            return self._status(entry, name)
        elif entry.is_symlink():
            self._links.append(Folder(entry.path, name, os.path.realpath(entry.path)))
        else:
            return Folder(entry.path, name, f"{folder.real.rstrip('/')}/{entry.name}")
        return None

    def _status(self, entry: "os.DirEntry[str]", name: str) -> os.stat_result | None:
        try:
            status = entry.stat()
        except OSError as error:
            if entry.is_symlink():
                self._tally.fail("broken_link", name, f"the link cannot be followed: {error.strerror}")
            else:
                self._tally.fail("unreadable_file", name, f"the file cannot be read: {error.strerror}")
            return None
        if stat.S_ISREG(status.st_mode):
            return status
        self._tally.pass_over("special_file", name)
        return None

    def _pictures(self, status: os.stat_result, name: str, entry: "os.DirEntry[str]") -> Iterator[Entry]:
        yield from pictures_of(Path(entry.path), name, status, self._rules, self._tally)


def pictures_of(file: Path, name: str, status: os.stat_result, rules: Rules, tally: Tally) -> Iterator[Entry]:
    """The picture that a regular file is, or the pictures in it if it is a tar file."""
    try:
        kind = kinds.kind_of(file.name, lambda: _head(file), rules.formats)
    except OSError as error:
        tally.fail("unreadable_file", name, f"the file cannot be read: {error.strerror}")
        return
    if kind == kinds.TAR:
        yield from shard.members(file, name, rules, tally)
    elif kind == kinds.PICTURE:
        stamp = f"{status.st_size}-{status.st_mtime_ns}"
        yield Entry(names.key_of(name), file, 0, status.st_size, stamp, False, names.former_key(name))
    else:
        tally.pass_over(kind, name)


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(kinds.HEAD)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed
        return False


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
