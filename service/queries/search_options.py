"""What a search is asked, beside its pictures: read from the address, a form or JSON, and checked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from copysight.errors import InvalidArgument
from copysight.scoring.query_views import Effort, effort_of
from service.http.problems import shown

OPTIONS = ("k", "min_probability", "collection", "filter", "effort")
FILTER = 'write for example {"eq": ["album", "2026"]}'


@dataclass(frozen=True)
class Question:
    """Options of a search."""

    k: int = 10
    min_probability: float | None = None
    collection: str | None = None
    filter: object | None = None
    effort: Effort = "low"

    @classmethod
    def of(cls, options: Mapping[str, Any], fields: Mapping[str, Any], most: int) -> Self:
        """From ``OPTIONS`` as the address gives them; ``fields`` of the body go before. At most ``most`` matches.

        Raises ``InvalidArgument``.
        """
        given = {**options, **{name: fields[name] for name in options if name in fields}}
        return cls(
            _count(given["k"], most),
            _share(given["min_probability"]),
            _text(given["collection"]),
            _filter(given["filter"]),
            effort_of(shown(given["effort"])),
        )


def _count(given: object, most: int) -> int:
    if type(given) is int and 1 <= given <= most:
        return given
    text = shown(given)  # at most 80 digits: Python refuses to read a number of more than 4,300
    if isinstance(given, bool) or not text.isdecimal() or not 1 <= int(text) <= most:
        raise InvalidArgument(f"got k = {text}; needed is a number from 1 to {most}")
    return int(text)


def _share(given: object) -> float | None:
    if given is None:
        return None
    try:
        share = math.nan if isinstance(given, bool) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        share = math.nan
    if not 0 <= share <= 1:
        raise InvalidArgument(f"got min_probability = {shown(given)}; needed is a number from 0 to 1")
    return share


def _text(given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise InvalidArgument(f"got collection = {shown(given)}; needed is a text")
    return given


def _filter(given: object) -> object | None:
    if not isinstance(given, str):
        return given
    try:
        found: object = orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got a filter that is no JSON ({error}); {FILTER}") from error
    return found
