"""Names of files and items: which characters a name may have, and how other file names become keys and sources."""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line breaks, characters that change the direction of the text after them, and surrogates (half
characters, which stand for bytes that are not UTF-8). Everything else is allowed: spaces of all kinds, joiners, marks.
"""
ESCAPE = re.compile(r"\\(?:([\\'nrt])|x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))")
LETTERS = {"n": "\n", "r": "\r", "t": "\t"}
URI = "file://"


def is_allowed(name: str) -> bool:
    """Whether a name has none of the characters that are refused."""
    return REFUSED.search(name) is None


def key_of(path: str) -> str:
    r"""The key of a file from its path: the path itself, or with ``\``-escapes if it has characters that are refused.

    Different paths have different keys: a path that already looks like the escaped form of another one is escaped, too.
    """
    return _escaped(path) if _needs_escapes(path) else path


def former_key(path: str) -> str | None:
    """The key that version 0.1 gave to a path, if it is another one: it escaped all that Python calls not printable."""
    former = path if path.isprintable() else _escaped(path)
    return former if former != key_of(path) else None


def source_of(path: Path) -> str:
    """Text that names an absolute path: the path itself, or a ``file:`` URI if it has characters that are refused."""
    text = str(path)
    return text if is_allowed(text) else path.as_uri()


def path_of(source: str) -> Path:
    """The path that ``source_of`` named."""
    if source.startswith(URI):
        return Path(os.fsdecode(unquote_to_bytes(source.removeprefix(URI))))
    return Path(source)


def _needs_escapes(name: str) -> bool:
    if not is_allowed(name):
        return True
    meant = _unescaped(name) if "\\" in name else name
    return meant != name and _escaped(meant) == name and _needs_escapes(meant)


def _escaped(name: str) -> str:
    return ascii(name)[1:-1]


def _unescaped(name: str) -> str:
    return ESCAPE.sub(_character, name)


def _character(found: re.Match[str]) -> str:
    letter, *numbers = found.groups()
    return LETTERS.get(letter, letter) if letter else chr(int(next(filter(None, numbers)), 16))
