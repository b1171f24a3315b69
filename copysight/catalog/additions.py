"""Adding items within one transaction: what is new, what is unchanged, what is replaced, what is in conflict."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog import fields
from copysight.catalog.records import Added, Item, NewItem, Status
from copysight.catalog.schema import items, models, orphans, values, vectors
from copysight.errors import InvalidArgument, KeyConflict

CHUNK = 500
NORM_TOLERANCE = 1e-3
Place = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """What adding one item comes to; ``id`` is None for a new one."""

    new: NewItem
    id: int | None
    status: Status


def add(
    connection: sa.Connection, new: Sequence[NewItem], model: int, sequence: int, replace: bool
) -> list[Added | KeyConflict]:
    """Add items at ``sequence``; the answer has one entry an item, in their order."""
    answers: dict[int, Added | KeyConflict] = {}
    for turn in _turns(new):
        answers |= zip(turn, _add_distinct(connection, [new[i] for i in turn], model, sequence, replace), strict=True)
    return [answers[i] for i in range(len(new))]


def _turns(new: Sequence[NewItem]) -> list[list[int]]:
    # Items that name the same place twice come one after the other: the second meets what the first has made.
    seen: Counter[Place] = Counter()
    turns: list[list[int]] = []
    for i, item in enumerate(new):
        turn = seen[item.collection, item.key]
        seen[item.collection, item.key] += 1
        turns += [[]] if turn == len(turns) else []
        turns[turn].append(i)
    return turns


def _add_distinct(
    connection: sa.Connection, new: Sequence[NewItem], model: int, sequence: int, replace: bool
) -> list[Added | KeyConflict]:
    there = existing(connection, {(item.collection, item.key) for item in new})
    outcomes = [_decide(item, there, replace) for item in new]
    steps = [step for step in outcomes if isinstance(step, Step)]
    put_vectors(connection, _given(steps), model, sequence)
    _insert(connection, [s.new for s in steps if s.status == "created"], sequence)
    _replace(connection, [s for s in steps if s.status == "replaced"], sequence)
    there |= existing(connection, {(s.new.collection, s.new.key) for s in steps if s.status != "unchanged"})
    changed = [(there[s.new.collection, s.new.key], s.status) for s in steps if s.status != "unchanged"]
    put_values(connection, [item for item, _ in changed])
    return [
        Added(there[step.new.collection, step.new.key], step.status) if isinstance(step, Step) else step
        for step in outcomes
    ]


def existing(connection: sa.Connection, places: set[Place]) -> dict[Place, Item]:
    """Items by (collection, key)."""
    by_collection: dict[str, list[str]] = {}
    for collection, key in sorted(places):
        by_collection.setdefault(collection, []).append(key)
    found: dict[Place, Item] = {}
    for collection, keys in by_collection.items():
        for part in chunks(keys):
            query = sa.select(items).where(items.c.collection == collection, items.c.key.in_(part))
            found |= {(row.collection, row.key): item_of(row) for row in connection.execute(query)}
    return found


def item_of(row: sa.Row[Any]) -> Item:
    """An item from its row."""
    return Item(
        row.id, row.collection, row.key, row.sha256, row.width, row.height, row.metadata, row.source, row.changed
    )


def put_vectors(
    connection: sa.Connection, given: Mapping[str, npt.NDArray[np.float32] | None], model: int, sequence: int
) -> None:
    """Store the vectors that are not there yet. Raises ``InvalidArgument`` when one is neither given nor there."""
    there: set[str] = set()
    for part in chunks(list(given)):
        query = sa.select(vectors.c.sha256).where(vectors.c.model == model, vectors.c.sha256.in_(part))
        there |= set(connection.execute(query).scalars())
    if missing := [sha256 for sha256 in given if sha256 not in there]:
        matrix = _matrix(missing, given)
        _check_dimension(connection, model, matrix.shape[1])
        rows = [
            {"sha256": sha256, "model": model, "sequence": sequence, "vector": row.tobytes()}
            for sha256, row in zip(missing, matrix, strict=True)
        ]
        connection.execute(vectors.insert(), rows)
    for part in chunks(list(given)):
        connection.execute(orphans.delete().where(orphans.c.sha256.in_(part)))


def put_values(connection: sa.Connection, changed: Sequence[Item]) -> None:
    """Write the values of filterable fields anew."""
    declared = fields.names(connection)
    if not declared:
        return
    for part in chunks([item.id for item in changed]):
        connection.execute(values.delete().where(values.c.item.in_(part)))
    if rows := [row for item in changed for row in fields.rows(item.id, item.metadata, declared)]:
        connection.execute(values.insert(), rows)


def drop_unused(connection: sa.Connection, sha256s: set[str]) -> None:
    """Forget the vectors of bytes that no item shows any more, and note that their files are to be removed."""
    for part in chunks(sorted(sha256s)):
        used = set(connection.execute(sa.select(items.c.sha256).where(items.c.sha256.in_(part))).scalars())
        if unused := [sha256 for sha256 in part if sha256 not in used]:
            connection.execute(vectors.delete().where(vectors.c.sha256.in_(unused)))
            connection.execute(orphans.delete().where(orphans.c.sha256.in_(unused)))
            connection.execute(orphans.insert(), [{"sha256": sha256} for sha256 in unused])


def chunks(sequence: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts that fit into one statement."""
    return (sequence[start : start + CHUNK] for start in range(0, len(sequence), CHUNK))


def _decide(new: NewItem, there: Mapping[Place, Item], replace: bool) -> Step | KeyConflict:
    old = there.get((new.collection, new.key))
    if old is None:
        return Step(new, None, "created")
    if old.sha256 == new.sha256:
        return Step(new, old.id, "unchanged")
    if replace:
        return Step(new, old.id, "replaced")
    return KeyConflict(
        f"the key {new.key!r} of collection {new.collection!r} is taken by other bytes ({old.sha256[:12]}…); "
        "choose another key or ask for replacement (`replace`)",
        id=old.id,
        key=new.key,
        collection=new.collection,
    )


def _given(steps: Sequence[Step]) -> dict[str, npt.NDArray[np.float32] | None]:
    given: dict[str, npt.NDArray[np.float32] | None] = {}
    for step in steps:
        # An unchanged item needs no vector, but one that was left out by another bundle comes back by its own.
        wanted = step.status != "unchanged" or step.new.vector is not None
        if wanted and given.get(step.new.sha256) is None:
            given[step.new.sha256] = step.new.vector
    return given


def _insert(connection: sa.Connection, new: Sequence[NewItem], sequence: int) -> None:
    rows = [{**_columns(item, sequence), "collection": item.collection, "key": item.key} for item in new]
    if rows:
        connection.execute(items.insert(), rows)


def _replace(connection: sa.Connection, steps: Sequence[Step], sequence: int) -> None:
    gone: set[str] = set()
    for step in steps:
        here = items.c.id == step.id
        gone.add(connection.execute(sa.select(items.c.sha256).where(here)).scalar_one())
        connection.execute(items.update().where(here).values(**_columns(step.new, sequence)))
    drop_unused(connection, gone)


def _columns(item: NewItem, sequence: int) -> dict[str, Any]:
    return {
        "sha256": item.sha256,
        "width": item.width,
        "height": item.height,
        "metadata": dict(item.metadata),
        "source": item.source,
        "changed": sequence,
        "placed": sequence,
    }


def _matrix(sha256s: Sequence[str], given: Mapping[str, npt.NDArray[np.float32] | None]) -> npt.NDArray[np.float32]:
    found = [vector for sha256 in sha256s if (vector := given[sha256]) is not None]
    if len(found) < len(sha256s):
        lacking = next(sha256 for sha256 in sha256s if given[sha256] is None)
        raise InvalidArgument(
            f"got no vector for {lacking[:12]}…, and the catalog has none for this model; embed it", sha256=lacking
        )
    if len({np.shape(vector) for vector in found}) != 1 or np.ndim(found[0]) != 1:
        raise InvalidArgument(f"got vectors of shapes {sorted({np.shape(v) for v in found})}; needed is (D,) for all")
    matrix = np.asarray(found, dtype="<f4")
    norms = np.linalg.norm(matrix, axis=1)
    if not np.all(np.abs(norms - 1) < NORM_TOLERANCE):  # NaN compares false
        raise InvalidArgument(
            f"got vectors of length {norms.min():.4f} to {norms.max():.4f}; needed are L2-normalised, finite ones"
        )
    return matrix


def _check_dimension(connection: sa.Connection, model: int, dimension: int) -> None:
    stored = connection.execute(sa.select(models.c.dimension).where(models.c.id == model)).scalar_one()
    if stored is None:
        connection.execute(models.update().where(models.c.id == model).values(dimension=dimension))
    elif stored != dimension:
        raise InvalidArgument(f"got vectors of {dimension} numbers, the model's have {stored}; embed with this model")
