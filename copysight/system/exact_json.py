"""Read and write JSON without a change of any number, and whatever a catalog holds."""

import json
import re
from typing import Any

import numpy as np
import orjson

from copysight.errors import InvalidArgument
from copysight.system import storable

LONG_NUMBER = re.compile(rb"[0-9]{19}")
WORD = 2.0**63
"""`orjson` reads integers beyond 64 bits as floats; none of those is smaller than this."""


def loads(data: bytes | str, part: str | None = None) -> Any:
    """Parsed JSON, by `orjson`. If a number may have lost digits, all of it is parsed again, and integers are exact.

    ``part``: the only field of the object that is checked for that. Raises ``orjson.JSONDecodeError``, for a number of
    more than 308 digits, too, and ``InvalidArgument`` for very deep JSON.
    """
    found = orjson.loads(data)
    checked = found if part is None or not isinstance(found, dict) else found.get(part)
    if not _has_large_float(checked):
        return found
    try:
        return json.loads(data)
    except RecursionError as error:
        raise InvalidArgument("got JSON that is nested too deeply; flatten it") from error


def loads_answer(data: bytes) -> Any:
    """Like ``loads``, for an answer with many numbers: only one that has a number of 19 digits is parsed again."""
    return json.loads(data) if LONG_NUMBER.search(data) else orjson.loads(data)


def dumps(content: object) -> bytes:
    """JSON of an answer. NumPy arrays and numbers are allowed.

    A catalog may hold values that are refused now, and that `orjson` does not write: integers beyond 64 bits are
    written with all their digits, surrogates are replaced.
    """
    try:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # `orjson.JSONEncodeError` is one
        plain = storable.readable(content)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()


def _has_large_float(value: object) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and abs(one) >= WORD:
            return True
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")
