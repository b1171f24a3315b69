"""List the pictures in a tar file. Only headers are read; the pictures are read later in place, in any order."""

import os
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO

from copysight.pictures.formats import signatures
from copysight.pictures.scan import kinds
from copysight.pictures.scan.account import Tally
from copysight.pictures.scan.entry import Entry
from copysight.pictures.scan.rules import Rules, holds_index
from copysight.system import names

BLOCK = 512
MAX_HOPS = 40
COMPRESSED = {"gzip", "bzip2", "xz", "Zstandard", "ZIP", "7z", "RAR"}
BROKEN = (tarfile.TarError, ValueError, OverflowError, EOFError, IndexError, UnicodeError)
"""What ``tarfile`` raises for damaged headers."""


@dataclass(frozen=True)
class Listing:
    """The headers of a tar file, as far as they can be read. ``fault``: code and reason if that is not to the end."""

    members: tuple[tarfile.TarInfo, ...]
    fault: tuple[str, str] | None
    size: int
    modified: int

    @cached_property
    def last(self) -> dict[str, int]:
        """Place of the last member of each name. It replaces the earlier ones when the file is unpacked."""
        return {member.name: place for place, member in enumerate(self.members) if not member.isdir()}

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Places of the members of each normalised path, without folders."""
        found: dict[str, list[int]] = {}
        for place, member in enumerate(self.members):
            if not member.isdir():
                found.setdefault(posixpath.normpath(member.name), []).append(place)
        return found

    @cached_property
    def folders(self) -> dict[str, set[str]]:
        """Names of the entries of each folder, by normalised path."""
        found: dict[str, set[str]] = {}
        for member in self.members:
            folder, name = posixpath.split(posixpath.normpath(member.name))
            while name and name not in found.get(folder, ()):
                found.setdefault(folder, set()).add(name)
                folder, name = posixpath.split(folder)
        return found

    @cached_property
    def indexes(self) -> set[str]:
        """Folders that hold an index or a backup."""
        return {folder for folder, inner in self.folders.items() if holds_index(inner)}

    def file_at(self, place: int) -> tarfile.TarInfo | None:
        """The file that a member is or that its links lead to. A hard link leads to an earlier member."""
        for _ in range(MAX_HOPS):
            member = self.members[place]
            if not (member.islnk() or member.issym()):
                return member
            end = place if member.islnk() else len(self.members)
            before = [one for one in self.places.get(_target(member), ()) if one < end]
            if not before:
                return None
            place = before[-1]
        return None

    def folder_reason(self, path: str, rules: Rules, shard: str) -> str | None:
        """Why a folder is left out, for its own name or for that of a folder above it."""
        if path in self._reasons:
            return self._reasons[path]
        above, name = posixpath.split(path)
        reason = "holds_index" if path in self.indexes else None
        if reason is None and name not in {"", ".", ".."}:
            reason = rules.reason(name, f"{shard}/{path}", is_folder=True)
        if reason is None and above != path:
            reason = self.folder_reason(above, rules, shard)
        self._reasons[path] = reason
        return reason

    @cached_property
    def _reasons(self) -> dict[str, str | None]:
        return {}


def members(file: Path, name: str, rules: Rules, tally: Tally) -> Iterator[Entry]:
    """The pictures of a tar file that is called ``name`` in the source. Every member is counted in ``tally``."""
    try:
        with file.open("rb") as opened:
            listing = _read(opened)
            yield from _pictures(opened, file, name, listing, rules, tally)
    except OSError as error:
        tally.fail("unreadable_file", name, f"the file cannot be read: {error.strerror or error}")
        return
    if listing.fault is None:
        tally.shards += 1
    else:
        tally.fail(listing.fault[0], name, listing.fault[1])


def _read(file: BinaryIO) -> Listing:
    status = os.fstat(file.fileno())
    found: list[tarfile.TarInfo] = []
    fault = _not_plain(os.pread(file.fileno(), BLOCK, 0))
    if fault is None:
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                found.extend(tar)
                fault = _after(file, tar.offset, status.st_size)
        except BROKEN as error:
            after = f" after {len(found):,} members" if found else ""
            fault = "damaged_tar" if found else "not_a_tar", f"it cannot be read as a tar file{after} ({error})"
    return Listing(tuple(found), fault, status.st_size, status.st_mtime_ns)


def _not_plain(head: bytes) -> tuple[str, str] | None:
    """Code and reason if a file is empty or compressed."""
    if not head:
        return "empty_file", "the tar file is empty"
    if (kind := signatures.name(head)) in COMPRESSED:
        return "compressed_tar", f"the file is compressed ({kind}); unpack it to a plain tar file or a folder"
    return None


def _after(file: BinaryIO, offset: int, size: int) -> tuple[str, str] | None:
    """Code and reason if a tar file goes on behind the last member that could be read."""
    if offset > size:
        return "damaged_tar", f"the tar file is cut short: {offset - size:,} bytes are missing at its end"
    file.seek(offset)
    while part := file.read(2**20):
        if part.strip(b"\0"):
            return "damaged_tar", f"behind byte {offset:,} there is more that cannot be read as members of a tar file"
    return None


def _pictures(
    opened: BinaryIO, file: Path, shard: str, listing: Listing, rules: Rules, tally: Tally
) -> Iterator[Entry]:
    for place, member in enumerate(listing.members):
        name = f"{shard}/{member.name}"
        if reason := _reason(shard, member, listing, rules):
            tally.pass_over(reason, name)
        elif member.isdir():
            tally.folders += 1
        elif listing.last[member.name] != place:
            tally.pass_over("replaced_in_tar", name)
        elif (target := listing.file_at(place)) is None:
            _link_without_file(member, name, listing, tally)
        elif not target.isreg():
            tally.pass_over("special_file", name)
        elif target.sparse is not None:
            tally.fail("sparse_file", name, "the tar file stores it with holes; unpack the tar file to a folder")
        elif target.offset_data + target.size > listing.size:
            tally.fail("damaged_tar", name, "the tar file ends before the end of this member")
        else:
            kind = kinds.kind_of(posixpath.basename(member.name), partial(_head, opened, target), rules.formats)
            if kind == kinds.PICTURE:
                stamp = f"{target.offset_data}-{target.size}-{listing.modified}"
                key, former = names.key_of(name), names.former_key(name)
                yield Entry(key, file, target.offset_data, target.size, stamp, True, former)
            else:
                tally.pass_over("archive" if kind == kinds.TAR else kind, name)


def _reason(shard: str, member: tarfile.TarInfo, listing: Listing, rules: Rules) -> str | None:
    """Why a member is left out."""
    path = posixpath.normpath(member.name)
    if member.isdir():
        return listing.folder_reason(path, rules, shard)
    above, name = posixpath.split(path)
    return listing.folder_reason(above, rules, shard) or rules.reason(name, f"{shard}/{path}", is_folder=False)


def _link_without_file(member: tarfile.TarInfo, name: str, listing: Listing, tally: Tally) -> None:
    target = _target(member)
    if target in listing.folders or target == ".":
        tally.pass_over("listed_already", name)
    else:
        tally.fail("broken_link", name, f"the tar file has no {names.key_of(target)}, to which this link leads")


def _target(member: tarfile.TarInfo) -> str:
    """Normalised path to which a link leads; hard links are relative to the top, symbolic links to their folder."""
    if member.issym():
        return posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.linkname))
    return posixpath.normpath(member.linkname)


def _head(opened: BinaryIO, member: tarfile.TarInfo) -> bytes:
    return os.pread(opened.fileno(), min(kinds.HEAD, member.size), member.offset_data)
