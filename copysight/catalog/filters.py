"""Parse JSON filters, and translate them to SQL over the declared fields (docs/reference/index-format.md).

A filter is ``{"eq": [field, value]}``, ``{"in": [field, [values]]}``, ``{"range": [field, low, high]}`` (both ends are
inclusive, one may be null) or ``{"and": [filters]}``. A list in an item's metadata matches if one of its values does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from copysight.catalog.schema import items, rounded, values
from copysight.errors import InvalidArgument
from copysight.system import storable

Value = str | bool | int | float

MAX_VALUES = 1000
MAX_CLAUSES = 32
MAX_DEPTH = 4
MAX_LENGTH = 4096
MAX_EXACT = 2**53


@dataclass(frozen=True)
class In:
    """The field has one of the values. ``eq`` is parsed to an ``In`` with one value."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """``low <= field <= high``, for numbers or texts; one end may be None."""

    field: str
    low: Value | None
    high: Value | None


@dataclass(frozen=True)
class And:
    """All filters match. An empty list matches every item."""

    filters: tuple["Filter", ...]


Filter = In | Range | And


def parse(data: object, fields: Collection[str], depth: int = 0) -> Filter:
    """Parse a filter and check it against the declared ``fields``. Raises ``InvalidArgument``."""
    if not isinstance(data, Mapping) or len(data) != 1:
        raise _wrong(data, 'an object with one of the words "eq", "in", "range", "and"')
    ((word, content),) = data.items()
    if word == "and":
        return _conjunction(content, fields, depth)
    if word not in {"eq", "in", "range"}:
        raise _wrong(word, 'one of the words "eq", "in", "range", "and"')
    if not isinstance(content, list) or len(content) != (3 if word == "range" else 2):
        raise _wrong(content, "[field, low, high] for range, [field, value] for eq, [field, [values]] for in")
    field = _field(content[0], fields)
    if word == "eq":
        return In(field, (_value(content[1]),))
    return _membership(field, content[1]) if word == "in" else _range(field, content[1], content[2])


def condition(filter: Filter, item: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:  # noqa: A002 - the API's word
    """The filter as an SQL condition on the column ``item`` of item ids. All values are bound parameters."""
    return sa.and_(sa.true(), *(item.in_(_items_with_value(test)) for test in _tests(filter)))


def selection(filter: Filter) -> sa.Select[Any] | sa.CompoundSelect[Any]:  # noqa: A002
    """Ids of the matching items, in any order, possibly with duplicates.

    The query reads only the sorted index of the values; not reading the table of items makes it four times as fast.
    """
    parts = [_items_with_value(test) for test in _tests(filter)]
    if not parts:
        return sa.select(items.c.id)
    return sa.intersect(*parts) if len(parts) > 1 else parts[0]


def _items_with_value(test: In | Range) -> sa.Select[Any]:
    return sa.select(values.c.item).where(values.c.field == test.field, _test(test))


def _tests(filter: Filter) -> list[In | Range]:  # noqa: A002
    """The filter as a flat list of conditions that must all hold."""
    return [test for part in filter.filters for test in _tests(part)] if isinstance(filter, And) else [filter]


def _test(test: In | Range) -> sa.ColumnElement[bool]:
    if isinstance(test, In):
        short = [value for value in test.values if not _is_large(value)]
        columns = {_column(value).name for value in short}
        parts = [values.c[name].in_([v for v in short if _column(v).name == name]) for name in columns]
        return sa.or_(sa.false(), *parts, *(_equal(value) for value in test.values if _is_large(value)))
    column = _column(test.low if test.low is not None else test.high)
    ends = [_beyond(column, test.low, 1)] if test.low is not None else []
    return sa.and_(*ends, _beyond(column, test.high, -1)) if test.high is not None else sa.and_(*ends)


def _beyond(column: sa.Column[Any], end: Value, direction: int) -> sa.ColumnElement[bool]:
    """``column >= end`` for the direction 1, ``column <= end`` for -1. Only numbers beyond 2^53 read the residual."""
    if not _is_large(end):
        return column >= end if direction > 0 else column <= end
    exact = rounded(end)  # type: ignore[arg-type]
    rest = exact.residual > _RESIDUAL if direction > 0 else exact.residual < _RESIDUAL
    near = column >= exact.number if direction > 0 else column <= exact.number
    return sa.and_(near, sa.not_(sa.and_(column == exact.number, rest)))


def _equal(value: Value) -> sa.ColumnElement[bool]:
    exact = rounded(value)  # type: ignore[arg-type]
    return sa.and_(values.c.number == exact.number, _RESIDUAL.op("=")(exact.residual))


def _is_large(value: Value) -> bool:
    return not isinstance(value, str) and abs(value) >= MAX_EXACT


_RESIDUAL = sa.func.coalesce(values.c.residual, 0)


def _column(value: Value | None) -> sa.Column[Any]:
    if isinstance(value, bool):
        return values.c.flag
    return values.c.text if isinstance(value, str) else values.c.number


def _conjunction(content: object, fields: Collection[str], depth: int) -> And:
    if not isinstance(content, list) or len(content) > MAX_CLAUSES:
        raise _wrong(content, f'a list of at most {MAX_CLAUSES} filters after "and"')
    if depth >= MAX_DEPTH:
        raise InvalidArgument(f"got a filter nested more than {MAX_DEPTH} levels deep; flatten it")
    return And(tuple(parse(part, fields, depth + 1) for part in content))


def _membership(field: str, content: object) -> In:
    if not isinstance(content, list) or len(content) > MAX_VALUES:
        raise _wrong(content, f"a list of at most {MAX_VALUES} values")
    return In(field, tuple(_value(value) for value in content))


def _range(field: str, low: object, high: object) -> Range:
    ends = [None if end is None else _value(end) for end in (low, high)]
    given = [end for end in ends if end is not None]
    kinds = {_column(end).name for end in given}
    if len(kinds) != 1 or kinds == {"flag"}:
        raise _wrong([low, high], "two numbers or two texts, one of which may be null")
    return Range(field, *ends)


def _field(name: object, fields: Collection[str]) -> str:
    if not isinstance(name, str) or name not in fields:
        known = ", ".join(sorted(fields)) or "none"
        raise InvalidArgument(
            f"{_short(name)} is not a filterable field (declared: {known}); "
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
