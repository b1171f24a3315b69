"""Keep rules: which picture of a group is kept. Rules are compared in their order; a later one decides ties."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

from copysight.duplicates.picture import Picture
from copysight.errors import InvalidArgument

DEFAULT = "resolution,bytes,date,oldest"
LOSSLESS = ("PNG", "TIFF", "BMP")
FORMATS = (*LOSSLESS, "HEIF", "JPEG", "AVIF", "WEBP", "GIF")
"""Formats in the order in which the rule ``format`` keeps them."""
LATE = (1, "")
Key = Callable[[Picture], Any]
"""The part of a picture's rank that one rule decides: the smaller is kept."""


@dataclass(frozen=True)
class Rule:
    """A rule by its ``name``, as the option ``--keep`` has it, with what it is for in words."""

    name: str
    key: Key
    reason: str


NAMED = {
    "resolution": Rule("resolution", lambda one: -one.pixels, "most pixels"),
    "bytes": Rule("bytes", lambda one: -(one.bytes or 0), "largest file"),
    "format": Rule("format", lambda one: _place(one.format), "better format"),
    "date": Rule("date", lambda one: LATE if one.taken is None else (0, one.taken), "earliest date of exposure"),
    "camera": Rule("camera", lambda one: one.camera is None, "names its camera"),
    "oldest": Rule("oldest", lambda one: float("inf") if one.modified is None else one.modified, "oldest file"),
}


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of ``--keep``, separated by commas. Raises ``InvalidArgument`` for an unknown one.

    ``path=GLOB`` keeps pictures whose path matches before others; ``*`` also matches slashes.
    """
    rules = tuple(_rule(part.strip()) for part in text.split(",") if part.strip())
    if not rules:
        raise InvalidArgument(f"got no keep rule; use {_known()}, separated by commas")
    return rules


def rank(picture: Picture, rules: Sequence[Rule]) -> tuple[Any, ...]:
    """A sort key; the smallest is kept. A link is never kept before a file; ties go to the shorter, then first path."""
    return (picture.is_link, *(rule.key(picture) for rule in rules), len(picture.path), picture.path)


def reason(kept: Picture, others: Sequence[Picture], rules: Sequence[Rule]) -> str:
    """Why ``kept`` is kept, in words: the first rule by which it is before any other."""
    for rule in rules:
        if any(rule.key(kept) < rule.key(other) for other in others):
            return rule.reason
    return "shorter path" if any(len(kept.path) < len(other.path) for other in others) else "first by name"


def _rule(text: str) -> Rule:
    name, _, glob = text.partition("=")
    if name == "path" and glob:
        matches = re.compile(translate(glob)).match
        return Rule(text, lambda one: matches(one.path) is None, f"path matches {glob}")
    if glob or name not in NAMED:
        raise InvalidArgument(f"got the keep rule {text!r}; use {_known()}, separated by commas")
    return NAMED[name]


def _known() -> str:
    return ", ".join([*NAMED, "path=GLOB"])


def _place(kind: str | None) -> int:
    return FORMATS.index(kind) if kind in FORMATS else len(FORMATS)
