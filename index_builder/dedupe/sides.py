"""The scope of a search for duplicates, from the options ``--within`` and ``--between``."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from copysight.duplicates.picture import Picture
from copysight.duplicates.scope import OUTSIDE, Scope
from copysight.errors import InvalidArgument


def scope_of(
    pictures: Sequence[Picture], within: Sequence[str], between: tuple[str, str] | None, folders: Sequence[Path]
) -> Scope:
    """The scope; a picture belongs to the first name that it matches.

    A name is a folder as paths begin with it, a pattern with ``*``, or a folder on this machine. Raises
    ``InvalidArgument`` for a name that no picture matches, and if both options are given.
    """
    if within and between:
        raise InvalidArgument("got --within and --between; use one of them")
    given = between or tuple(within)
    if not given:
        return Scope.everything(len(pictures))
    roots = [_roots(name, folders) for name in given]
    sides = np.array([_side(picture, given, roots) for picture in pictures], np.int64)
    for side, name in enumerate(given):
        if side not in sides:
            raise InvalidArgument(f"no picture lies in {name!r}; give a folder as it is named in the answer")
    return Scope("between" if between else "within", sides)


def _roots(name: str, folders: Sequence[Path]) -> list[Path]:
    places = [folder / name for folder in folders] + [Path(name)]
    return [place.resolve() for place in places if place.is_dir()][:1]


def _side(picture: Picture, given: Sequence[str], roots: Sequence[list[Path]]) -> int:
    for side, (name, root) in enumerate(zip(given, roots, strict=True)):
        if picture.path.startswith(name.rstrip("/") + "/") or fnmatchcase(picture.path, name):
            return side
        if root and picture.file is not None and picture.file.absolute().is_relative_to(root[0]):
            return side
    return OUTSIDE
