"""Queries of the hot paths, which the driver runs itself: 15 us for one number, where SQLAlchemy takes 90 us."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True)
class Compiled:
    """The ``text`` of a query for one driver. ``places``: the name and the constant of each parameter, in their order.

    ``converters`` turn given values into those of the driver.
    """

    text: str
    places: tuple[tuple[str, Any], ...]
    converters: Mapping[str, Callable[[Any], Any]]

    def positional(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters for a driver that numbers them."""
        if not self.places:
            return []
        given = self._converted(values)
        return [given.get(name, constant) for name, constant in self.places]

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters for a driver that names them."""
        return {**dict(self.places), **self._converted(values)}

    def _converted(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.converters:
            return values
        return {name: self.converters.get(name, _same)(value) for name, value in values.items()}


class Query:
    """A SELECT that is compiled once for each engine. Its rows are the driver's own: JSON is text in them."""

    def __init__(self, select: sa.Select[Any]) -> None:
        self._select = select
        self._known: dict[str, Compiled] = {}

    def compiled(self, dialect: sa.Dialect) -> Compiled:
        """The query for a driver."""
        found = self._known.get(dialect.name)
        return found if found is not None else self._known.setdefault(dialect.name, _compiled(self._select, dialect))


def _compiled(select: sa.Select[Any], dialect: sa.Dialect) -> Compiled:
    made = select.compile(dialect=dialect)
    constants = made.params
    names = list(constants) if made.positiontup is None else made.positiontup
    found = {name: _converter(made.binds[name].type, dialect) for name in constants}
    converters = {name: one for name, one in found.items() if one is not None}
    kept = {name: converters.get(name, _same)(value) for name, value in constants.items() if value is not None}
    return Compiled(str(made), tuple((name, kept.get(name)) for name in names), converters)


def _converter(type_: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    return type_.dialect_impl(dialect).bind_processor(dialect)


def _same(value: Any) -> Any:
    return value
