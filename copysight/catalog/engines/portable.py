"""Parts of statements that every engine has, and that each one spells in its own way."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

Upsert = sqlite.Insert | postgresql.Insert
_INSERTS: dict[str, Callable[[sa.Table], Upsert]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def upsert(connection: sa.Connection, table: sa.Table) -> Upsert:
    """An INSERT with ``on_conflict_do_update`` and ``excluded``."""
    return _INSERTS[connection.dialect.name](table)


class _Parameter(sa.types.TypeDecorator[Sequence[Any]]):
    """A list in one parameter, so that the statement is the same for every length: JSON, or an array."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, of: type[sa.types.TypeEngine[Any]]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Which type the driver gets."""
        return dialect.type_descriptor(sa.ARRAY(self.of()) if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: sa.Dialect) -> Any:
        """Which value the driver gets."""
        given = list(value or ())
        return given if dialect.name == "postgresql" else json.dumps(given)


class _OneOf(FunctionElement[Any]):
    type = sa.types.NULLTYPE  # SQLAlchemy would write "= 1" after a Boolean, and SQLite then uses no index
    inherit_cache = True


def one_of(column: sa.ColumnElement[Any], given: Sequence[int] | Sequence[str] | sa.BindParameter[Any]) -> _OneOf:
    """Whether ``column`` is one of the values of a list, or of a parameter that `texts` or `numbers` has made."""
    if isinstance(given, sa.BindParameter):
        return _OneOf(column, given)
    kind = sa.Text if isinstance(column.type, sa.String) else sa.BigInteger
    return _OneOf(column, sa.bindparam(None, list(given), type_=_Parameter(kind), unique=True))


def numbers(name: str) -> sa.BindParameter[Any]:
    """A parameter for `one_of`, which is a list of integers."""
    return sa.bindparam(name, type_=_Parameter(sa.BigInteger))


def texts(name: str) -> sa.BindParameter[Any]:
    """A parameter for `one_of`, which is a list of texts."""
    return sa.bindparam(name, type_=_Parameter(sa.Text))


@compiles(_OneOf, "sqlite")
def _in_json(element: _OneOf, compiler: sa.Compiled, **more: Any) -> str:
    column, given = (compiler.process(one, **more) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({given}))"  # noqa: S608 - given is a parameter


@compiles(_OneOf, "postgresql")
def _in_array(element: _OneOf, compiler: sa.Compiled, **more: Any) -> str:
    column, given = (compiler.process(one, **more) for one in element.clauses)
    return f"{column} = ANY ({given})"
