"""Requests of API keys by day, as the service counts them."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from copysight.catalog.audit.tables import key_usage
from copysight.catalog.database import Database
from copysight.catalog.engines.portable import upsert


@dataclass(frozen=True)
class KeyUsage:
    """Requests of a key ``today`` (UTC) and in ``total``; ``latest``: when, in seconds since the epoch."""

    today: int
    total: int
    latest: float


class Usage:
    """The usage of the keys of one index, together for all servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, counts: Mapping[str, int], day: str, now: float) -> None:
        """Add requests by the ids of their keys to a day (2026-11-28)."""
        rows = [{"key": key, "day": day, "requests": count, "latest": now} for key, count in counts.items()]
        with self._database.write() as connection:
            new = upsert(connection, key_usage)
            more = {"requests": key_usage.c.requests + new.excluded.requests, "latest": new.excluded.latest}
            connection.execute(new.on_conflict_do_update(index_elements=["key", "day"], set_=more), rows)

    def read(self, day: str) -> dict[str, KeyUsage]:
        """The usage of all keys that were used, by id; ``today`` is the given day."""
        today = sa.func.sum(sa.case((key_usage.c.day == day, key_usage.c.requests), else_=0))
        columns = (key_usage.c.key, today, sa.func.sum(key_usage.c.requests), sa.func.max(key_usage.c.latest))
        with self._database.read() as connection:
            rows = connection.execute(sa.select(*columns).group_by(key_usage.c.key)).all()
        return {key: KeyUsage(int(one), int(total), latest) for key, one, total, latest in rows}
