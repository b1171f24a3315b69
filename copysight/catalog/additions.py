"""Add items in one transaction, and decide which are new, unchanged, replaced or in conflict."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog.audit.note import note_items
from copysight.catalog.filtering import fields
from copysight.catalog.records import Added, Item, NewItem, Status
from copysight.catalog.schema import items, models, orphans, removals, values, vectors
from copysight.errors import InvalidArgument, KeyConflict

CHUNK = 500
NORM_TOLERANCE = 1e-3
ItemKey = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Addition:
    """One item to add and what adding it means; ``id`` is None for a new item."""

    new: NewItem
    id: int | None
    status: Status


def add(
    connection: sa.Connection, new: Sequence[NewItem], model: int, sequence: int, replace: bool
) -> list[Added | KeyConflict]:
    """Add items with the change number ``sequence``. Returns one outcome per item, in their order."""
    outcomes: dict[int, Added | KeyConflict] = {}
    for rows in _rounds(new):
        outcomes |= zip(rows, _add_distinct(connection, [new[i] for i in rows], model, sequence, replace), strict=True)
    found = [outcomes[i] for i in range(len(new))]
    for action, status in (("item.add", "created"), ("item.replace", "replaced")):
        note_items(connection, action, [one.item for one in found if isinstance(one, Added) and one.status == status])
    return found


def _rounds(new: Sequence[NewItem]) -> list[list[int]]:
    # If several new items have the same key, each is added in a later round than the one before it.
    counts: Counter[ItemKey] = Counter()
    rounds: list[list[int]] = []
    for i, item in enumerate(new):
        number = counts[item.collection, item.key]
        counts[item.collection, item.key] += 1
        rounds += [[]] if number == len(rounds) else []
        rounds[number].append(i)
    return rounds


def _add_distinct(
    connection: sa.Connection, new: Sequence[NewItem], model: int, sequence: int, replace: bool
) -> list[Added | KeyConflict]:
    existing_items = existing(connection, {(item.collection, item.key) for item in new})
    outcomes = [_decide(item, existing_items, replace) for item in new]
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Addition)]
    put_vectors(connection, _vectors_by_sha256(accepted), model, sequence)
    _insert(connection, [s.new for s in accepted if s.status == "created"], sequence)
    _replace(connection, [s for s in accepted if s.status == "replaced"], sequence)
    _note_files(connection, [s.id for s in accepted if s.status == "unchanged" and s.new.files])
    existing_items |= existing(connection, {(s.new.collection, s.new.key) for s in accepted if s.status != "unchanged"})
    changed = [(existing_items[s.new.collection, s.new.key], s.status) for s in accepted if s.status != "unchanged"]
    put_values(connection, [item for item, _ in changed])
    return [
        Added(existing_items[outcome.new.collection, outcome.new.key], outcome.status)
        if isinstance(outcome, Addition)
        else outcome
        for outcome in outcomes
    ]


def existing(connection: sa.Connection, item_keys: set[ItemKey]) -> dict[ItemKey, Item]:
    """Items by (collection, key)."""
    by_collection: dict[str, list[str]] = {}
    for collection, key in sorted(item_keys):
        by_collection.setdefault(collection, []).append(key)
    found: dict[ItemKey, Item] = {}
    for collection, keys in by_collection.items():
        for part in chunks(keys):
            query = sa.select(items).where(items.c.collection == collection, items.c.key.in_(part))
            found |= {(row.collection, row.key): item_of(row) for row in connection.execute(query)}
    return found


def item_of(row: sa.Row[Any]) -> Item:
    """The item of a row of the table ``items``."""
    return Item(
        row.id,
        row.collection,
        row.key,
        row.sha256,
        row.width,
        row.height,
        row.metadata,
        row.source,
        row.changed,
        row.information,
        row.bytes,
        row.taken,
        row.camera,
    )


def put_vectors(
    connection: sa.Connection, given: Mapping[str, npt.NDArray[np.float32] | None], model: int, sequence: int
) -> None:
    """Store the vectors that are not stored yet. Raises ``InvalidArgument`` if one is neither given nor stored."""
    stored: set[str] = set()
    for part in chunks(list(given)):
        query = sa.select(vectors.c.sha256).where(vectors.c.model == model, vectors.c.sha256.in_(part))
        stored |= set(connection.execute(query).scalars())
    if missing := [sha256 for sha256 in given if sha256 not in stored]:
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
    """Replace the stored values of the filterable fields of these items."""
    declared = fields.names(connection)
    if not declared:
        return
    for part in chunks([item.id for item in changed]):
        connection.execute(values.delete().where(values.c.item.in_(part)))
    if rows := [row for item in changed for row in fields.rows(item.id, item.metadata, declared)]:
        connection.execute(values.insert(), rows)


def delete_unused_vectors(connection: sa.Connection, sha256s: set[str]) -> None:
    """Delete the vectors of pictures that no item uses any more, and list their files as orphans.

    Items that were removed and can be restored count as well.
    """
    for part in chunks(sorted(sha256s)):
        used = set(connection.execute(sa.select(items.c.sha256).where(items.c.sha256.in_(part))).scalars())
        can_return = sa.select(removals.c.sha256).where(removals.c.sha256.in_(part), sa.not_(removals.c.purged))
        used |= set(connection.execute(can_return).scalars())
        if unused := [sha256 for sha256 in part if sha256 not in used]:
            connection.execute(vectors.delete().where(vectors.c.sha256.in_(unused)))
            connection.execute(orphans.delete().where(orphans.c.sha256.in_(unused)))
            connection.execute(orphans.insert(), [{"sha256": sha256} for sha256 in unused])


def chunks(sequence: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split a sequence into parts that fit into one SQL statement."""
    return (sequence[start : start + CHUNK] for start in range(0, len(sequence), CHUNK))


def _decide(new: NewItem, existing_items: Mapping[ItemKey, Item], replace: bool) -> Addition | KeyConflict:
    old = existing_items.get((new.collection, new.key))
    if old is None:
        return Addition(new, None, "created")
    if old.sha256 == new.sha256:
        return Addition(new, old.id, "unchanged")
    if replace:
        return Addition(new, old.id, "replaced")
    return KeyConflict(
        f"the key {new.key!r} of collection {new.collection!r} belongs to another picture (sha256 {old.sha256[:12]}…); "
        "choose another key, or replace the picture (`replace`)",
        id=old.id,
        key=new.key,
        collection=new.collection,
    )


def _vectors_by_sha256(accepted: Sequence[Addition]) -> dict[str, npt.NDArray[np.float32] | None]:
    given: dict[str, npt.NDArray[np.float32] | None] = {}
    for addition in accepted:
        # An unchanged item needs no vector, except one that has none because a change of bundle left it out.
        wanted = addition.status != "unchanged" or addition.new.vector is not None
        if wanted and given.get(addition.new.sha256) is None:
            given[addition.new.sha256] = addition.new.vector
    return given


def _insert(connection: sa.Connection, new: Sequence[NewItem], sequence: int) -> None:
    rows = [{**_columns(item, sequence), "collection": item.collection, "key": item.key} for item in new]
    if rows:
        connection.execute(items.insert(), rows)


def _replace(connection: sa.Connection, accepted: Sequence[Addition], sequence: int) -> None:
    old_sha256s: set[str] = set()
    for addition in accepted:
        here = items.c.id == addition.id
        old_sha256s.add(connection.execute(sa.select(items.c.sha256).where(here)).scalar_one())
        connection.execute(items.update().where(here).values(**_columns(addition.new, sequence)))
    delete_unused_vectors(connection, old_sha256s)


def _note_files(connection: sa.Connection, ids: Sequence[int | None]) -> None:
    """Items that were imported without files have them, now that their pictures were added."""
    for part in chunks(ids):
        connection.execute(items.update().where(items.c.id.in_(part), items.c.files.is_not(True)).values(files=True))


def _columns(item: NewItem, sequence: int) -> dict[str, Any]:
    return {
        "sha256": item.sha256,
        "width": item.width,
        "height": item.height,
        "metadata": dict(item.metadata),
        "source": item.source,
        "changed": sequence,
        "placed": sequence,
        "files": item.files,
        "information": item.information,
        "bytes": item.bytes,
        "taken": item.taken,
        "camera": item.camera,
    }


def _matrix(sha256s: Sequence[str], given: Mapping[str, npt.NDArray[np.float32] | None]) -> npt.NDArray[np.float32]:
    found = [vector for sha256 in sha256s if (vector := given[sha256]) is not None]
    if len(found) < len(sha256s):
        missing = next(sha256 for sha256 in sha256s if given[sha256] is None)
        raise InvalidArgument(
            f"got no vector for the picture {missing[:12]}…, and the catalog has none for this model; embed it first",
            sha256=missing,
        )
    if len({np.shape(vector) for vector in found}) != 1 or np.ndim(found[0]) != 1:
        raise InvalidArgument(f"got vectors of shapes {sorted({np.shape(v) for v in found})}; all must have shape (D,)")
    matrix = np.asarray(found, dtype="<f4")
    norms = np.linalg.norm(matrix, axis=1)
    if not np.all(np.abs(norms - 1) < NORM_TOLERANCE):  # NaN compares false
        raise InvalidArgument(
            f"got vectors with norms from {norms.min():.4f} to {norms.max():.4f}; needed are finite vectors of norm 1"
        )
    return matrix


def _check_dimension(connection: sa.Connection, model: int, dimension: int) -> None:
    stored = connection.execute(sa.select(models.c.dimension).where(models.c.id == model)).scalar_one()
    if stored is None:
        connection.execute(models.update().where(models.c.id == model).values(dimension=dimension))
    elif stored != dimension:
        raise InvalidArgument(f"got vectors of dimension {dimension}, needed is {stored}; embed with the same model")
