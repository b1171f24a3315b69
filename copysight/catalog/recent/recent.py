"""Recent queries: checksums and vectors of pictures that were searched for, kept for a time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog.database import Database
from copysight.catalog.engines.portable import upsert
from copysight.catalog.hashes.tables import recent_queries

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RecentQueries:
    """Q pictures that were searched for: ``sha256`` (Q,), unit ``vectors`` (Q, D), and when: ``seen`` (Q,)."""

    sha256: Sequence[str]
    vectors: Floats
    seen: npt.NDArray[np.float64]


class Recent:
    """Recent queries by checksum. Each change is one durable transaction. ``clock``: seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def remember(self, model: str, queries: Sequence[tuple[str, Floats]]) -> None:
        """Remember pairs of a sha256 and a vector (D,) of a bundle. The same picture again is the same query."""
        now = self._clock()
        rows = [
            {"sha256": sha256, "model": model, "vector": vector.astype("<f4").tobytes(), "seen": now}
            for sha256, vector in queries
        ]
        if rows:
            with self._database.write() as connection:
                new = upsert(connection, recent_queries)
                connection.execute(
                    new.on_conflict_do_update(index_elements=["sha256", "model"], set_={"seen": new.excluded.seen}),
                    rows,
                )

    def forget(self, seconds: float) -> int:
        """Forget queries that are older than a number of seconds. Returns how many."""
        with self._database.write() as connection:
            gone = recent_queries.delete().where(recent_queries.c.seen < self._clock() - seconds)
            return int(connection.execute(gone).rowcount)

    def all(self, model: str, seconds: float) -> RecentQueries:
        """The queries of a bundle of the last ``seconds``, by the time they were seen."""
        query = sa.select(recent_queries).where(
            recent_queries.c.model == model, recent_queries.c.seen >= self._clock() - seconds
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(recent_queries.c.seen, recent_queries.c.sha256)).all()
        vectors = [np.frombuffer(row.vector, "<f4") for row in rows]
        return RecentQueries(
            [row.sha256 for row in rows],
            np.stack(vectors) if vectors else np.empty((0, 0), np.float32),
            np.array([row.seen for row in rows], np.float64),
        )
