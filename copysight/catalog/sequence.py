"""The change sequence, a counter by which other processes detect changes of the catalog with one cheap query."""

import sqlalchemy as sa

from copysight.catalog.engines.query import Query
from copysight.catalog.schema import state

_CURRENT = sa.select(state.c.sequence)
QUERY = Query(_CURRENT)


def current(connection: sa.Connection) -> int:
    """The number of the last change of items, vectors or fields."""
    return int(connection.execute(_CURRENT).scalar_one())


def advance(connection: sa.Connection) -> int:
    """Increment the sequence. Returns the number of the change that this transaction makes."""
    connection.execute(state.update().values(sequence=state.c.sequence + 1))
    return current(connection)
