"""Read the vectors of items in the order of their ids. A "placed" item is one whose picture is new or was replaced."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog.engines.portable import numbers, one_of
from copysight.catalog.engines.query import Query
from copysight.catalog.records import Vectors
from copysight.catalog.schema import items, models, vectors

# Statements are built once. Building them for each query takes three times as long as running them.
_MODEL = sa.bindparam("model", type_=sa.String)
_SEQUENCE = sa.bindparam("sequence", type_=sa.BigInteger)
_NUMBER = sa.select(models.c.id).where(models.c.name == _MODEL).scalar_subquery()
_DIMENSION = sa.select(models.c.dimension).where(models.c.name == _MODEL)
# An outer join, although rows without a vector are dropped below: it makes SQLite loop over items and look up vectors.
# The other way round, it would read all vectors for each chunk of a stream.
_VECTOR_OF_ITEM = sa.and_(vectors.c.sha256 == items.c.sha256, vectors.c.model == _NUMBER)
_ALL: sa.Select[Any] = (
    sa.select(items.c.id, items.c.collection, vectors.c.vector)
    .select_from(items.outerjoin(vectors, _VECTOR_OF_ITEM))
    .order_by(items.c.id)
)
BY_IDS = Query(
    sa.select(items.c.id, vectors.c.vector)
    .select_from(items.outerjoin(vectors, _VECTOR_OF_ITEM))
    .where(one_of(items.c.id, numbers("ids")))
)
"""Ids and vectors (None: there is none) of the items with some ids. A search of a generation in Milvus runs it."""
_NEW_VECTORS = (
    sa.select(items.c.id)
    .join(vectors, vectors.c.sha256 == items.c.sha256)
    .join(models)
    .where(models.c.name == _MODEL, vectors.c.sequence > _SEQUENCE)
)
_SINCE = _ALL.where(items.c.id.in_(sa.select(items.c.id).where(items.c.placed > _SEQUENCE).union(_NEW_VECTORS)))


def model_id(connection: sa.Connection, name: str) -> int:
    """The row id of a model, which is inserted on first use."""
    found = connection.execute(sa.select(models.c.id).where(models.c.name == name)).scalar()
    if found is None:
        connection.execute(models.insert().values(name=name))
        return model_id(connection, name)
    return int(found)


def since(connection: sa.Connection, sequence: int, model: str) -> Vectors:
    """Vectors of items placed after ``sequence``, and vectors of the model that were stored after it."""
    rows = connection.execute(_SINCE if sequence > 0 else _ALL, {"model": model, "sequence": sequence}).all()
    return _vectors(rows, _dimension(connection, model))


def stream(connection: sa.Connection, model: str, size: int) -> Iterator[Vectors]:
    """Vectors of all items, ``size`` at a time."""
    dimension = _dimension(connection, model)
    after = 0
    while True:
        rows = connection.execute(_ALL.where(items.c.id > after).limit(size), {"model": model}).all()
        if not rows:
            return
        yield _vectors(rows, dimension)
        after = rows[-1].id


def without_vector(model: str, after: int) -> sa.Select[Any]:
    """Select the items without a vector of the model and with ids above ``after``."""
    return sa.select(items).where(items.c.id > after, ~_vector_of_item(model).exists()).order_by(items.c.id)


def count_without_vector(connection: sa.Connection, model: str) -> int:
    """Number of items without a vector of the model."""
    missing = without_vector(model, 0).order_by(None).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(missing)).scalar_one())


def vector_of(connection: sa.Connection, sha256: str, model: str) -> npt.NDArray[np.float32] | None:
    """The stored vector ``(D,)`` of the picture with this sha256, or None."""
    query = sa.select(vectors.c.vector).join(models).where(vectors.c.sha256 == sha256, models.c.name == model)
    data = connection.execute(query).scalar()
    return None if data is None else np.frombuffer(data, dtype="<f4")


def any_without_vector(connection: sa.Connection, sequence: int, model: str) -> bool:
    """Whether an item placed after ``sequence`` has no vector of the model."""
    query = sa.select(items.c.id).where(items.c.placed > sequence, ~_vector_of_item(model).exists()).limit(1)
    return connection.execute(query).first() is not None


def bad_vectors() -> sa.Select[Any]:
    """Select the vectors whose size in bytes does not fit their model."""
    size = sa.func.length(vectors.c.vector)
    expected = models.c.dimension * 4
    return sa.select(vectors.c.id, size.label("size"), expected.label("expected")).join(models).where(size != expected)


def _vector_of_item(model: str) -> sa.Select[Any]:
    return sa.select(vectors.c.sha256).join(models).where(models.c.name == model, vectors.c.sha256 == items.c.sha256)


def _dimension(connection: sa.Connection, model: str) -> int:
    return int(connection.execute(_DIMENSION, {"model": model}).scalar() or 0)


def _vectors(rows: Sequence[sa.Row[Any]], dimension: int) -> Vectors:
    found = [row for row in rows if row.vector is not None]
    matrix: npt.NDArray[np.float32] = np.frombuffer(b"".join(row.vector for row in found), dtype="<f4")
    ids = np.fromiter((row.id for row in found), dtype=np.int64, count=len(found))
    return Vectors(ids, matrix.reshape(len(found), dimension), tuple(row.collection for row in found))
