"""Filters as SQL over the values of declared fields and the columns of items. All values are bound parameters."""

from typing import Any

import sqlalchemy as sa

from copysight.catalog.filtering.filter import (
    MAX_EXACT,
    TEXT_FIELDS,
    And,
    Filter,
    In,
    Not,
    Or,
    Prefix,
    Test,
    Value,
    kind_of,
)
from copysight.catalog.schema import items, rounded, values

Condition = sa.ColumnElement[bool]
_LAST = "\U0010ffff"


def condition(filter: Filter, item: sa.ColumnElement[Any]) -> Condition:  # noqa: A002 - the API's word
    """The filter as an SQL condition on the column ``item`` of item ids."""
    if isinstance(filter, And):
        return sa.and_(sa.true(), *(condition(part, item) for part in filter.filters))
    return item.in_(selection(filter))


def selection(filter: Filter) -> sa.Select[Any] | sa.CompoundSelect[Any]:  # noqa: A002
    """Ids of the matching items, in any order, possibly with duplicates.

    Declared fields are read from the sorted index of the values; not reading the table of items makes that four times
    as fast.
    """
    if isinstance(filter, Not):
        return sa.except_(sa.select(items.c.id), _nested(filter.filter))
    if not isinstance(filter, And | Or):
        return _items_of(filter)
    parts = [_nested(part) for part in filter.filters]
    if not parts:
        return sa.select(items.c.id).where(sa.true() if isinstance(filter, And) else sa.false())
    if len(parts) == 1:
        return parts[0]
    return sa.intersect(*parts) if isinstance(filter, And) else sa.union(*parts)


def _nested(filter: Filter) -> sa.Select[Any]:  # noqa: A002
    """The selection as a plain one: SQLite allows no brackets around the parts of a compound one."""
    found = selection(filter)
    return found if isinstance(found, sa.Select) else sa.select(found.subquery().c[0])


def _items_of(test: Test) -> sa.Select[Any]:
    if test.own:
        return sa.select(items.c.id).where(_own(test))
    return sa.select(values.c.item).where(values.c.field == test.field, _declared(test))


def _own(test: Test) -> Condition:
    """The condition on a column of the items: a text or an integer."""
    kind = "text" if test.field in TEXT_FIELDS else "number"
    # As 64 bits, because a bound that the column cannot hold is allowed.
    column = items.c[test.field] if kind == "text" else sa.type_coerce(items.c[test.field], sa.BigInteger)
    if isinstance(test, In):
        return column.in_([_whole(value) for value in test.values if kind_of(value) == kind and _can_be(value)])
    if isinstance(test, Prefix):
        return _begins(column, test.text) if kind == "text" else sa.false()
    if kind_of(test.low if test.low is not None else test.high) != kind:
        return sa.false()
    ends = [column >= _bound(test.low)] if test.low is not None else []
    return sa.and_(*ends, column <= _bound(test.high)) if test.high is not None else sa.and_(*ends)


def _can_be(value: Value) -> bool:
    """Whether a column of 64-bit integers, or of texts, can hold a value."""
    return isinstance(value, str) or (_fits(value) and value == int(value))


def _whole(value: Value) -> Value:
    return int(value) if isinstance(value, float) else value


def _fits(value: Value) -> bool:
    """Whether a value can be compared with a column of 64-bit integers."""
    return isinstance(value, str) or -(2**63) <= value < 2**63


def _bound(value: Value) -> Value:
    return value if _fits(value) else float(value)


def _declared(test: Test) -> Condition:
    if isinstance(test, Prefix):
        return _begins(values.c.text, test.text)
    if isinstance(test, In):
        short = [value for value in test.values if not _is_large(value)]
        parts = [
            values.c[kind].in_([value for value in short if kind_of(value) == kind])
            for kind in {kind_of(value) for value in short}
        ]
        return sa.or_(sa.false(), *parts, *(_equal(value) for value in test.values if _is_large(value)))
    column = values.c[kind_of(test.low if test.low is not None else test.high)]
    ends = [_beyond(column, test.low, 1)] if test.low is not None else []
    return sa.and_(*ends, _beyond(column, test.high, -1)) if test.high is not None else sa.and_(*ends)


def _begins(column: sa.ColumnElement[Any], text: str) -> Condition:
    """As a range, which an index finds: SQLite compares texts by their UTF-8 bytes, so in the order of code points."""
    after = text.rstrip(_LAST)
    ends = [column < after[:-1] + _next(after[-1])] if after else []
    return sa.and_(column >= text, *ends)


def _next(letter: str) -> str:
    following = ord(letter) + 1
    return chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)  # surrogates are no characters


def _beyond(column: sa.Column[Any], end: Value, direction: int) -> Condition:
    """``column >= end`` for the direction 1, ``column <= end`` for -1. Only numbers beyond 2^53 read the residual."""
    if not _is_large(end):
        return column >= end if direction > 0 else column <= end
    exact = rounded(end)  # type: ignore[arg-type]
    rest = exact.residual > _RESIDUAL if direction > 0 else exact.residual < _RESIDUAL
    near = column >= exact.number if direction > 0 else column <= exact.number
    return sa.and_(near, sa.not_(sa.and_(column == exact.number, rest)))


def _equal(value: Value) -> Condition:
    exact = rounded(value)  # type: ignore[arg-type]
    return sa.and_(values.c.number == exact.number, _RESIDUAL.op("=")(exact.residual))


def _is_large(value: Value) -> bool:
    return not isinstance(value, str) and abs(value) >= MAX_EXACT


_RESIDUAL = sa.func.coalesce(values.c.residual, 0)
