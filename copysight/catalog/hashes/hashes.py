"""Perceptual hashes in the catalog: those of the pictures on lists, and those that are on a list without a picture."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from copysight.catalog.database import Database
from copysight.catalog.engines.portable import one_of, texts
from copysight.catalog.engines.query import Query
from copysight.catalog.hashes.tables import banks, hashes, signals
from copysight.catalog.schema import items

_LISTED = one_of(items.c.collection, texts("lists"))
_OFF = sa.func.coalesce(sa.func.sum(sa.case((signals.c.disabled, 1), else_=0)), 0)
_OF_ITEMS = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(items.c.changed), 0)).where(_LISTED).subquery()
_OF_SIGNALS = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(signals.c.id), 0), _OFF).subquery()
STAMP = Query(sa.select(*_OF_ITEMS.c, *_OF_SIGNALS.c).join_from(_OF_ITEMS, _OF_SIGNALS, sa.true()))
ON_LISTS = Query(
    sa.select(items.c.id, items.c.collection, items.c.sha256, items.c.source, hashes.c.value)
    .outerjoin(hashes, sa.and_(hashes.c.sha256 == items.c.sha256, hashes.c.type == sa.bindparam("kind")))
    .where(_LISTED)
    .order_by(items.c.id)
)


@dataclass(frozen=True)
class Listed:
    """An item of a ``list`` with its hash: ``value``, empty if it has none; None if it was not computed yet."""

    item: int
    list: str
    sha256: str
    source: str | None
    value: str | None


@dataclass(frozen=True)
class Signal:
    """A hash without a picture on a ``list``. ``added``: seconds since the epoch."""

    id: int
    list: str
    type: str
    value: str
    disabled: bool
    added: float


class Hashes:
    """Hashes by picture and by list. Each change is one durable transaction."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def stamp(self, lists: Iterable[str]) -> str:
        """A text that changes when an item of these lists or a hash without a picture is added, changed or deleted."""
        names = sorted(lists)
        [found] = self._database.rows(STAMP, lists=names)
        return json.dumps([names, *map(int, found)])

    def on_lists(self, lists: Iterable[str], kind: str) -> list[Listed]:
        """The items of some lists with their hashes of a kind, by id."""
        return [Listed(*row) for row in self._database.rows(ON_LISTS, lists=sorted(lists), kind=kind)]

    def put(self, kind: str, values: Mapping[str, str]) -> None:
        """Store hashes of a kind, by the sha256 of their pictures."""
        rows = [{"sha256": sha256, "type": kind, "value": value} for sha256, value in values.items()]
        with self._database.write() as connection:
            connection.execute(hashes.delete().where(hashes.c.type == kind, hashes.c.sha256.in_(list(values))))
            connection.execute(hashes.insert(), rows)

    def add_signal(self, name: str, kind: str, value: str) -> int:
        """Put a hash without a picture on a list. Returns its id; the same hash again is the same one."""
        with self._database.write() as connection:
            here = sa.and_(signals.c.list == name, signals.c.type == kind, signals.c.value == value)
            found = connection.execute(sa.select(signals.c.id).where(here)).scalar()
            if found is not None:
                return int(found)
            row = {"list": name, "type": kind, "value": value, "disabled": False, "added": self._clock()}
            made = connection.execute(signals.insert().values(**row)).inserted_primary_key
            return int(made[0])  # type: ignore[index]

    def signals(self, lists: Iterable[str]) -> list[Signal]:
        """The hashes without pictures on some lists, by id."""
        names = set(lists)
        with self._database.read() as connection:
            rows = connection.execute(sa.select(signals).order_by(signals.c.id)).mappings()
            return [Signal(**row) for row in rows if row["list"] in names]

    def disable_signal(self, number: int, disabled: bool) -> bool:
        """Turn a hash without a picture off or on. Returns whether there is one of this id."""
        with self._database.write() as connection:
            changed = signals.update().where(signals.c.id == number).values(disabled=disabled)
            return bool(connection.execute(changed).rowcount)

    def delete_signals(self, name: str, number: int | None = None) -> int:
        """Delete one hash without a picture of a list, or all. Returns how many."""
        gone = signals.delete().where(signals.c.list == name)
        with self._database.write() as connection:
            return int(connection.execute(gone if number is None else gone.where(signals.c.id == number)).rowcount)

    def ratios(self) -> dict[str, float]:
        """By list, the share of the lookups that are answered, for lists of which that is not all."""
        with self._database.read() as connection:
            return {row.list: float(row.ratio) for row in connection.execute(sa.select(banks))}

    def set_ratio(self, name: str, ratio: float | None) -> None:
        """Answer a share of the lookups for a list; None: all."""
        with self._database.write() as connection:
            connection.execute(banks.delete().where(banks.c.list == name))
            if ratio is not None:
                connection.execute(banks.insert().values(list=name, ratio=ratio))
