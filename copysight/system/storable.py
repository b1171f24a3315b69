"""The gate for what is stored: what JSON, SQL, Parquet and every client can write and read back unchanged.

Everything from outside that ends in the catalog passes ``check`` or ``check_text``: metadata, names, options of jobs.
An older catalog may hold values that are refused now. ``loads``, ``dumps`` and ``readable`` read and write those, too.
"""

import json
import math
import re
from typing import Any

from copysight.errors import InvalidArgument

LEAST, MOST = -(2**63), 2**64 - 1
"""The integers that every reader and writer holds exactly: those of 64 bits, with or without a sign."""
MAX_DEPTH = 32
"""Levels of nested lists and objects in metadata. Deeper metadata could be stored, but not be sent in a response."""
MAX_TEXT = 65536
SURROGATES = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def check(value: object, name: str, depth: int = MAX_DEPTH) -> None:
    """Raise ``InvalidArgument`` unless ``value`` is JSON that can be read back as it was. ``name``: for the message."""
    if isinstance(value, str):
        _check_surrogates(value, name)
    elif isinstance(value, int):  # also true and false
        if not LEAST <= value <= MOST:
            raise InvalidArgument(
                f"got an integer of {value.bit_length()} bits as {_short(name)}; integers must be within -2^63 and "
                "2^64 - 1; store it as text"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgument(f"got {value} as {_short(name)}; numbers must be finite; use null or a text")
    elif isinstance(value, dict | list | tuple):
        _check_parts(value, name, depth)
    elif value is not None:
        raise InvalidArgument(
            f"got a value of the type {type(value).__name__} as {_short(name)}; it is not JSON; use texts, numbers, "
            "booleans, lists and objects"
        )


def check_text(text: object, name: str, most: int = MAX_TEXT) -> str:
    """The text. Raises ``InvalidArgument`` unless it has 1 to ``most`` characters that can be stored, and no NUL."""
    if not isinstance(text, str):
        raise InvalidArgument(f"got a {name} of the type {type(text).__name__}; it must be a text")
    if not 0 < len(text) <= most:
        raise InvalidArgument(f"got a {name} of {len(text):,} characters; it must have 1 to {most:,}")
    if "\0" in text:
        raise InvalidArgument(f"got a {name} with the character NUL; leave it out")
    _check_surrogates(text, name)
    return text


def loads(text: str | bytes) -> Any:
    """Stored JSON. A number with more digits than Python reads becomes a text."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text, parse_int=_number)


def dumps(value: object) -> str:
    """JSON text of a stored value that every file can hold. Surrogates are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if SURROGATES.search(text) else text


def readable(value: Any, depth: int = 2 * MAX_DEPTH) -> Any:
    """A copy of a stored value that every reader of JSON accepts: its surrogates are replaced, its depth is limited.

    Integers keep all their digits.
    """
    if isinstance(value, str):
        return readable_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == 0:
        return "(nested too deeply)"
    if isinstance(value, dict):
        return {readable_text(str(key)): readable(part, depth - 1) for key, part in value.items()}
    return [readable(part, depth - 1) for part in value]


def readable_text(text: str) -> str:
    """A text with its surrogates replaced."""
    return SURROGATES.sub(REPLACEMENT, text)


def _check_parts(value: dict[Any, Any] | list[Any] | tuple[Any, ...], name: str, depth: int) -> None:
    if depth == 0:
        raise InvalidArgument(f"got {_short(name)} nested more than {MAX_DEPTH} levels deep; flatten it")
    if not isinstance(value, dict):
        for number, part in enumerate(value):
            check(part, f"{name}[{number}]", depth - 1)
        return
    for key, part in value.items():
        if not isinstance(key, str):
            raise InvalidArgument(f"got the name {key!r:.80} in {_short(name)}; all names must be texts")
        _check_surrogates(key, f"a name in {name}")
        check(part, f"{name}.{key}", depth - 1)


def _check_surrogates(text: str, name: str) -> None:
    if found := SURROGATES.search(text):
        raise InvalidArgument(
            f"got half a character ({found[0]!r}, a lone surrogate) in {_short(name)}; it cannot be written as UTF-8"
        )


def _short(name: str) -> str:
    return ascii(name)[1:-1] if len(name) <= 80 else ascii(name[:77])[1:-1] + "..."


def _number(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits
