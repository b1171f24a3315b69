"""Read items: by id, in pages, by filters; and count them."""

from collections.abc import Sequence
from typing import Any

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
_THESE = one_of(items.c.id, numbers("ids"))
BY_ID = Query(sa.select(*(items.c[name] for name in COLUMNS)).where(_THESE))
KNOWN_BY_ID = Query(sa.select(items.c.id, items.c.key, items.c.sha256, items.c.source).where(_THESE))


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


def page(
    connection: sa.Connection, collection: str | None, after: int, limit: int, key: str | None, filter_: object | None
) -> list[Item]:
    """At most ``limit`` items with ids above ``after``, ordered by id. Raises ``InvalidArgument``."""
    query = sa.select(items).where(items.c.id > after).order_by(items.c.id).limit(limit)
    query = query if collection is None else query.where(items.c.collection == collection)
    query = query if key is None else query.where(items.c.key == key)
    if filter_ is not None:
        query = query.where(condition.condition(_parsed(connection, filter_), items.c.id))
    return [item_of(row) for row in connection.execute(query)]


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
