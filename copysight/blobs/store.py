"""What originals and thumbnails need of a store."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from copysight.errors import InvalidArgument

SUFFIX = ".jpg"
"""The end of a thumbnail's name."""
NAME = re.compile(r"[0-9a-f]{64}(\.jpg)?")


class Store(Protocol):
    """Whole files by name: the sha256 of an original, and that with ``.jpg`` for its thumbnail.

    The contents of a name never change. Errors of every method: ``InvalidArgument`` for another name, ``NotWritable``,
    ``BlobsUnavailable``.
    """

    def lacks(self, name: str, size: int | None = None) -> bool:
        """Whether `write` is needed: no whole file (of ``size`` bytes, if given) is durable under that name.

        True also where an answer costs as much as a write.
        """

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store files by name. They are durable when the call returns; each is there as a whole or not at all."""

    def move_in(self, files: Iterable[Path]) -> None:
        """Move local files into the store. All are durable when the call returns."""

    def read(self, name: str) -> bytes | None:
        """The contents; None if there is no such file, or an empty one."""

    def holds(self, names: Iterable[str]) -> set[str]:
        """Those of the names under which there is a whole file."""

    def held(self) -> Callable[[str], bool]:
        """A function that says whether there is a whole file under a name; for many questions."""

    def names(self) -> Iterator[str]:
        """All names, in any order."""

    def damaged(self) -> Iterator[str]:
        """The originals whose bytes have another sha256. Reads all originals."""

    def copy_to(self, names: Iterable[str], directory: Path) -> None:
        """Copy files to ``ab/abcdef…`` below ``directory``; those that are missing are left out."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove files. A missing one is not an error."""

    def clean(self) -> None:
        """Remove what killed writers have left unfinished. Nobody else may write."""


def path_of(name: str) -> str:
    """Where a file is, below the directory or the prefix of a store. Raises ``InvalidArgument``."""
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"got the sha256 {name[:80]!r}; 64 hexadecimal digits are needed")
    return f"{name[:2]}/{name}"
