"""Parse JSON filters on metadata and on what the catalog knows of every picture (docs/reference/index-format.md).

A filter is ``{"eq": [field, value]}``, ``{"in": [field, [values]]}``, ``{"range": [field, low, high]}`` (both ends are
inclusive, one may be null), ``{"prefix": [field, text]}``, ``{"and": [filters]}``, ``{"or": [filters]}`` or ``{"not":
filter}``. A list in an item's metadata matches if one of its values does.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from copysight.errors import InvalidArgument
from copysight.system import storable

Value = str | bool | int | float

TEXT_FIELDS, NUMBER_FIELDS = ("key", "taken", "camera"), ("width", "height", "bytes")
OWN_FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS)
"""Fields of every picture, which need not be declared; a declared field of the same name is used instead."""
MAX_VALUES = 1000
MAX_CLAUSES = 32
MAX_DEPTH = 4
MAX_LENGTH = 4096
MAX_EXACT = 2**53
MAX_TESTS, MAX_ALL_VALUES = 500, 32_000
"""Tests of a whole filter, and values of all their lists; SQLite has limits of about this size."""
WORDS = ("eq", "in", "range", "prefix", "and", "or", "not")


@dataclass(frozen=True)
class In:
    """The field has one of the values. ``eq`` is parsed to an ``In`` with one value. ``own``: see ``OWN_FIELDS``."""

    field: str
    values: tuple[Value, ...]
    own: bool = False


@dataclass(frozen=True)
class Range:
    """``low <= field <= high``, for numbers or texts; one end may be None."""

    field: str
    low: Value | None
    high: Value | None
    own: bool = False


@dataclass(frozen=True)
class Prefix:
    """The field is a text that begins with ``text``."""

    field: str
    text: str
    own: bool = False


Test = In | Range | Prefix


@dataclass(frozen=True)
class And:
    """All filters match. An empty list matches every item."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True)
class Or:
    """One of the filters matches. An empty list matches no item."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True)
class Not:
    """The filter does not match; items without its field are among those."""

    filter: "Filter"


Filter = Test | And | Or | Not


def parse(data: object, fields: Collection[str]) -> Filter:
    """Parse a filter and check it against the declared ``fields``. Raises ``InvalidArgument``."""
    found = _parse(data, fields, 0)
    tests = list(_tests(found))
    if len(tests) > MAX_TESTS:
        raise InvalidArgument(f"got a filter of {len(tests):,} tests; at most {MAX_TESTS} are allowed")
    count = sum(len(test.values) for test in tests if isinstance(test, In))
    if count > MAX_ALL_VALUES:
        raise InvalidArgument(f"got a filter with {count:,} values; at most {MAX_ALL_VALUES:,} are allowed")
    return found


def kind_of(value: Value | None) -> str:
    """The type of a value, as the columns of stored values are named: ``flag``, ``text`` or ``number``."""
    if isinstance(value, bool):
        return "flag"
    return "text" if isinstance(value, str) else "number"


def _tests(filter: Filter) -> Iterator[Test]:  # noqa: A002 - the API's word
    if isinstance(filter, And | Or):
        for part in filter.filters:
            yield from _tests(part)
    elif isinstance(filter, Not):
        yield from _tests(filter.filter)
    else:
        yield filter


def _parse(data: object, fields: Collection[str], depth: int) -> Filter:
    if not isinstance(data, Mapping) or len(data) != 1:
        raise _wrong(data, f"an object with one of the words {_words()}")
    ((word, content),) = data.items()
    if word not in WORDS:
        raise _wrong(word, f"one of the words {_words()}")
    if word in {"and", "or", "not"}:
        return _combination(word, content, fields, depth)
    if not isinstance(content, list) or len(content) != (3 if word == "range" else 2):
        raise _wrong(content, "[field, low, high] for range, [field, [values]] for in, [field, value] for others")
    field, own = _field(content[0], fields), content[0] not in fields
    if word == "range":
        return _range(field, content[1], content[2], own)
    if word == "prefix":
        return _prefix(field, content[1], own)
    return In(field, (_value(content[1]),), own) if word == "eq" else _membership(field, content[1], own)


def _combination(word: str, content: object, fields: Collection[str], depth: int) -> Filter:
    if depth >= MAX_DEPTH:
        raise InvalidArgument(f"got a filter nested more than {MAX_DEPTH} levels deep; flatten it")
    if word == "not":
        return Not(_parse(content, fields, depth + 1))
    if not isinstance(content, list) or len(content) > MAX_CLAUSES:
        raise _wrong(content, f'a list of at most {MAX_CLAUSES} filters after "{word}"')
    parts = tuple(_parse(part, fields, depth + 1) for part in content)
    return And(parts) if word == "and" else Or(parts)


def _membership(field: str, content: object, own: bool) -> In:
    if not isinstance(content, list) or len(content) > MAX_VALUES:
        raise _wrong(content, f"a list of at most {MAX_VALUES} values")
    return In(field, tuple(_value(value) for value in content), own)


def _range(field: str, low: object, high: object, own: bool) -> Range:
    first, last = (None if end is None else _value(end) for end in (low, high))
    given = [end for end in (first, last) if end is not None]
    kinds = {kind_of(end) for end in given}
    if len(kinds) != 1 or kinds == {"flag"}:
        raise _wrong([low, high], "two numbers or two texts, one of which may be null")
    return Range(field, first, last, own)


def _prefix(field: str, content: object, own: bool) -> Prefix:
    text = _value(content)
    if not isinstance(text, str):
        raise _wrong(content, "a text after the field of a prefix")
    return Prefix(field, text, own)


def _field(name: object, fields: Collection[str]) -> str:
    if not isinstance(name, str) or name not in {*fields, *OWN_FIELDS}:
        known = ", ".join(sorted(fields)) or "none"
        raise InvalidArgument(
            f"{_short(name)} is not a filterable field (declared: {known}; always there: {', '.join(OWN_FIELDS)}); "
            "declare it with `copysight index fields --add`"
        )
    return name


def _value(value: object) -> Value:
    if isinstance(value, str) and len(value) <= MAX_LENGTH:
        storable.check(value, "a filter")
        return value
    if isinstance(value, int) and storable.LEAST <= value <= storable.MOST:
        return value
    # A larger float may be an integer that a reader of JSON has rounded. NaN and infinity compare false.
    if isinstance(value, float) and abs(value) <= MAX_EXACT:
        return value
    needed = "an integer of 64 bits, another number within 2^53, or true or false"
    raise _wrong(value, f"a text of at most {MAX_LENGTH} characters, {needed}")


def _wrong(got: object, needed: str) -> InvalidArgument:
    return InvalidArgument(f"got {_short(got)} in a filter; needed is {needed}")


def _short(value: object) -> str:
    text = (
        f"an integer of {value.bit_length()} bits" if type(value) is int and abs(value) > storable.MOST else repr(value)
    )
    return text if len(text) <= 80 else text[:77] + "..."


def _words() -> str:
    return ", ".join(f'"{word}"' for word in WORDS)
