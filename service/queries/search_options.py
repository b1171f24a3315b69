"""Read and check the options of a search from the query string, a form or JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from copysight.errors import InvalidArgument
from copysight.index import Selection
from copysight.scoring.query_views import Effort, effort_of
from copysight.scoring.verified import Mode, mode_of
from service.http.problems import preview

OPTIONS = ("k", "min_probability", "collection", "filter", "effort", "verify", "precision", "lists")
FILTER = 'write for example {"eq": ["album", "2026"]}'


@dataclass(frozen=True)
class SearchOptions:
    """Options of a search."""

    k: int = 10
    min_probability: float | None = None
    collection: str | None = None
    filter: object | None = None
    effort: Effort = "low"
    verify: Mode = "auto"
    precision: float | None = None
    lists: bool = True

    @property
    def selection(self) -> Selection:
        """What the index has to find."""
        return Selection(self.k, self.collection, self.filter, self.effort, self.verify, self.precision)

    @classmethod
    def of(cls, options: Mapping[str, Any], fields: Mapping[str, Any], max_k: int) -> Self:
        """From ``OPTIONS`` of the query string and ``fields`` of the body, which take precedence.

        Raises ``InvalidArgument``, for example for a ``k`` above ``max_k``.
        """
        given = {**options, **{name: fields[name] for name in options if name in fields}}
        return cls(
            _count(given["k"], max_k),
            _probability("min_probability", given["min_probability"]),
            _collection(given["collection"]),
            parse_filter(given["filter"]),
            effort_of(preview(given["effort"])),
            mode_of(preview(given["verify"])),
            _probability("precision", given["precision"]),
            parse_flag("lists", given["lists"], True),
        )


def _count(given: object, most: int) -> int:
    if type(given) is int and 1 <= given <= most:
        return given
    text = preview(given)  # at most 80 digits: Python refuses to parse a number of more than 4,300
    if isinstance(given, bool) or not text.isdecimal() or not 1 <= int(text) <= most:
        raise InvalidArgument(f"got k = {text}; it must be a number from 1 to {most}")
    return int(text)


def _probability(name: str, given: object) -> float | None:
    if given is None:
        return None
    try:
        probability = math.nan if isinstance(given, bool) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        probability = math.nan
    if not 0 <= probability <= 1:
        raise InvalidArgument(f"got {name} = {preview(given)}; it must be a number from 0 to 1")
    return probability


def parse_flag(name: str, given: object, default: bool) -> bool:
    """A flag from a form or JSON; ``default`` if it is missing. Raises ``InvalidArgument``."""
    if given is None:
        return default
    if given in ("true", "false"):
        return given == "true"
    if not isinstance(given, bool):
        raise InvalidArgument(f"got {name} = {preview(given)}; it must be true or false")
    return given


def _collection(given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise InvalidArgument(f"got collection = {preview(given)}; it must be a string")
    return given


def parse_filter(given: object) -> object | None:
    """A filter from JSON text, or as it came in a JSON body. Raises ``InvalidArgument``."""
    if not isinstance(given, str):
        return given
    try:
        found: object = orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got a filter that is not valid JSON ({error}); {FILTER}") from error
    return found
