"""Read a list of files: a text file with one path a line, relative to the list. A path may be a folder or tar file."""

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from copysight.pictures.scan.account import Tally
from copysight.pictures.scan.entry import Entry
from copysight.pictures.scan.folder import FolderWalk, pictures_of
from copysight.pictures.scan.rules import Rules

SUFFIX = ".txt"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def entries(file: Path, rules: Rules, tally: Tally) -> Iterator[Entry]:
    """The pictures of each line; the key is the path as the line has it, with ``/`` and without ``.`` and ``..``.

    Empty lines are passed over, and so is what an earlier line has listed. What a line names is taken even if its name
    begins with a dot; the patterns of ``rules`` count.
    """
    listed: set[str] = set()
    for line in lines(file.read_bytes()):
        name = posixpath.normpath(line)
        for entry in _pictures(file.parent / line, name, rules, tally):
            if entry.key in listed:
                tally.pass_over("listed_already", entry.key)
            else:
                listed.add(entry.key)
                yield entry


def lines(content: bytes) -> Iterator[str]:
    """The paths of a list, one a line. Bytes that are not UTF-8 are kept as the system keeps them in file names."""
    for line in content.removeprefix(BYTE_ORDER_MARK).splitlines():
        if line.strip():
            yield os.fsdecode(line)


def _pictures(path: Path, name: str, rules: Rules, tally: Tally) -> Iterator[Entry]:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        tally.fail("unreadable_file", name, f"the file cannot be read: {reason}")
        return
    is_folder = path.is_dir()
    above = PurePosixPath(name).parents
    if rules.is_excluded(name, is_folder) or any(rules.is_excluded(str(folder), True) for folder in above):
        tally.pass_over("excluded", name)
    elif is_folder:
        yield from FolderWalk(path, rules, tally, name).entries()
    else:
        yield from pictures_of(path, name, status, rules, tally)
