"""What a scan leaves out by name: hidden files, folders of systems, what ``--exclude`` names, folders of an index."""

import fnmatch
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from copysight.errors import InvalidArgument

SYSTEM_FOLDERS = re.compile(
    r"\$recycle\.bin|recycler|recycled|system volume information|found\.\d{3}"  # Windows
    r"|__macosx|network trash folder|temporary items|\.trashes|\.appledouble|\.spotlight-v100|\.fseventsd"  # macOS
    r"|\.documentrevisions-v100|\.temporaryitems"
    r"|lost\+found|\.trash(-.*)?|\.thumbnails|\.thumb|\.thumbs|\.dtrash|\.snapshots?|\.zfs"  # Linux
    r"|@eadir|#recycle|#snapshot|@tmp|@sharebin|@recycle|@recently-snapshot|\.@__thumb|\.@__qini",  # storage devices
    re.IGNORECASE,
)
CATALOG, PARTS = "catalog.sqlite", {"blobs", "generations", "bundles"}
"""A folder with this file and one of these folders is an index or a backup of one (docs/reference/index-format.md)."""
NAMES_CATALOG = "catalog.json"
"""The file in the place of the catalog if that is on a server."""


@dataclass(frozen=True)
class Rules:
    """The rules of one scan: the patterns of ``exclude``, and the ``formats`` of pictures that are taken.

    A pattern is matched with the end of each path below the source; one that begins with a slash, with the whole path,
    or with the absolute path if it begins with ``source``, the absolute path of the source.
    ``*`` stands for any characters of one name, ``**`` also for slashes. One that ends with a slash names folders only.
    """

    exclude: tuple[str, ...]
    formats: tuple[str, ...]
    source: str = "/"

    def reason(self, name: str, path: str, is_folder: bool) -> str | None:
        """Why an entry is left out, or None. ``path`` is relative to the source and ends with ``name``."""
        if is_folder and SYSTEM_FOLDERS.fullmatch(name):
            return "system_folder"
        if name.startswith("."):
            return "hidden"
        return "excluded" if self.is_excluded(path, is_folder) else None

    def is_excluded(self, path: str, is_folder: bool) -> bool:
        """Whether a pattern names an entry."""
        files, folders = self._excluded
        patterns = [files, folders] if is_folder else [files]
        return any(one is not None and one.fullmatch(path) for one in patterns)

    @cached_property
    def _excluded(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
        below = [one.removeprefix(self.source) if one.startswith(f"{self.source}/") else one for one in self.exclude]
        either = [_expression(one) for one in below if not one.endswith("/")]
        folders = [_expression(one.rstrip("/")) for one in below if one.endswith("/")]
        return _joined(either), _joined(folders)


def holds_index(names: Collection[str]) -> bool:
    """Whether a folder with these names is an index or a backup."""
    return not {CATALOG, NAMES_CATALOG}.isdisjoint(names) and not PARTS.isdisjoint(names)


def _joined(expressions: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(expressions), re.DOTALL) if expressions else None


def _expression(pattern: str) -> str:
    """A regular expression for a pattern with ``*``, ``**``, ``?`` and ``[…]``."""
    body = pattern.removeprefix("./").strip("/")
    if body in {"", "."}:
        raise InvalidArgument(f"got the pattern {pattern!r} to exclude; give a name or a path, such as '*.png'")
    parts = re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|[^*?\[]+|\[", body)
    start = "" if pattern.startswith("/") else "(?:.*/)?"
    return start + "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    fixed = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "[": r"\["}
    if part in fixed:
        return fixed[part]
    if part.startswith("["):
        return fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z")
    return re.escape(part)
