"""Read items: by id, in pages, by filters; and count them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog.additions import chunks, item_of
from copysight.catalog.engines.portable import numbers, one_of
from copysight.catalog.engines.query import Query
from copysight.catalog.filtering import condition, fields
from copysight.catalog.filtering.filter import And, Filter, parse
from copysight.catalog.records import Item
from copysight.catalog.schema import items
from copysight.errors import ItemNotFound
from copysight.system import storable

COLUMNS = (
    "id", "collection", "key", "sha256", "width", "height", "metadata", "source", "changed", "information", "bytes",
    "taken", "camera",
)  # fmt: skip
"""The columns of an item, in the order of the fields of ``Item``."""
SORTS = {
    "id": items.c.id, "key": items.c.key, "bytes": items.c.bytes, "taken": items.c.taken,
    "pixels": sa.cast(items.c.width, sa.BigInteger) * items.c.height,
}  # fmt: skip
"""What items can be sorted by."""
_THESE = one_of(items.c.id, numbers("ids"))
BY_ID = Query(sa.select(*(items.c[name] for name in COLUMNS)).where(_THESE))
KNOWN_BY_ID = Query(sa.select(items.c.id, items.c.key, items.c.sha256, items.c.source).where(_THESE))


@dataclass(frozen=True)
class Order:
    """Sorted ``by`` a column, without the first ``offset`` items; ties by id, unknown values last."""

    by: Literal["id", "key", "bytes", "pixels", "taken"] = "id"
    descending: bool = False
    offset: int = 0


@dataclass(frozen=True)
class Chosen:
    """Which items: of a ``collection``, with a ``key``, that match a ``filter`` (JSON), with ``text`` in their key.

    ``text`` counts without regard to upper and lower case.
    """

    collection: str | None = None
    key: str | None = None
    filter: object | None = None
    text: str | None = None


def item(row: Sequence[Any]) -> Item:
    """The item of the driver's own row of ``BY_ID``."""
    number, collection, key, sha256, width, height, metadata, source, changed, held, size, taken, camera = row
    found: dict[str, Any] = storable.loads(metadata)
    return Item(number, collection, key, sha256, width, height, found, source, changed, held, size, taken, camera)


def one(connection: sa.Connection, id_: int) -> Item:
    """One item. Raises ``ItemNotFound``."""
    row = connection.execute(sa.select(items).where(items.c.id == id_)).first()
    if row is None:
        raise ItemNotFound(f"there is no item {id_}; perhaps it was deleted", id=id_)
    return item_of(row)


def page(connection: sa.Connection, chosen: Chosen, after: int, limit: int, order: Order | None) -> list[Item]:
    """At most ``limit`` items: those with ids above ``after``, by id, or a page in an ``order``.

    Raises ``InvalidArgument``.
    """
    query = sa.select(items).where(*_conditions(connection, chosen)).limit(limit)
    if order is None:
        query = query.where(items.c.id > after).order_by(items.c.id)
    else:
        column = SORTS[order.by]
        first = (column.desc() if order.descending else column.asc()).nulls_last()
        query = query.order_by(first, items.c.id).offset(order.offset)
    return [item_of(row) for row in connection.execute(query)]


def total(connection: sa.Connection, chosen: Chosen) -> int:
    """The number of these items. Raises ``InvalidArgument``."""
    query = sa.select(sa.func.count()).select_from(items).where(*_conditions(connection, chosen))
    return int(connection.execute(query).scalar_one())


def _conditions(connection: sa.Connection, chosen: Chosen) -> list[sa.ColumnElement[bool]]:
    same = {"collection": chosen.collection, "key": chosen.key}
    found = [items.c[name] == value for name, value in same.items() if value is not None]
    if chosen.text is not None:
        found.append(items.c.key.icontains(chosen.text, autoescape=True))
    if chosen.filter is not None:
        found.append(condition.condition(_parsed(connection, chosen.filter), items.c.id))
    return found


def matching(connection: sa.Connection, filter_: object | None, collection: str | None) -> npt.NDArray[np.int64]:
    """Ascending ids of the items that match a filter (JSON) and a collection. Raises ``InvalidArgument``."""
    tree = _parsed(connection, filter_)
    query = condition.selection(tree)
    if collection is not None:
        of = sa.select(items.c.id).where(items.c.collection == collection)
        query = of.where(condition.condition(tree, items.c.id))
    # The driver's own rows are twice as fast as SQLAlchemy's.
    found = np.fromiter((row[0] for row in connection.execute(query).cursor.fetchall()), dtype=np.int64)
    return np.unique(found)


def count(connection: sa.Connection, collection: str | None, after: int) -> int:
    """Number of items, of a collection or of all; from ``after`` 0 on, of those placed after this sequence."""
    query = sa.select(sa.func.count()).select_from(items)
    query = query if after < 0 else query.where(items.c.placed > after)
    query = query if collection is None else query.where(items.c.collection == collection)
    return int(connection.execute(query).scalar_one())


def sha256s_of_items(connection: sa.Connection) -> set[str]:
    """The distinct sha256 of all pictures of items."""
    return set(connection.execute(sa.select(items.c.sha256).distinct()).scalars())


def sha256s_in_use(connection: sa.Connection, sha256s: Sequence[str]) -> set[str]:
    """Which of these pictures items have."""
    query = [sa.select(items.c.sha256).where(items.c.sha256.in_(part)) for part in chunks(sha256s)]
    return {sha256 for one in query for sha256 in connection.execute(one).scalars()}


def _parsed(connection: sa.Connection, filter_: object | None) -> Filter:
    return And(()) if filter_ is None else parse(filter_, fields.names(connection))
