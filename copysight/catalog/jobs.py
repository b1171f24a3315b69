"""Jobs: state and progress of long tasks, stored in the catalog so that other processes can read them."""

import time
from collections.abc import Callable
from typing import get_args

import sqlalchemy as sa

from copysight.catalog.database import Database
from copysight.catalog.records import Job, State
from copysight.catalog.schema import jobs
from copysight.errors import InvalidArgument, ItemNotFound


class Jobs:
    """The table of jobs. ``clock`` returns seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(self, kind: str) -> Job:
        """Create a job in the state ``queued``."""
        now = self._clock()
        row = {
            "kind": kind,
            "state": "queued",
            "progress": 0,
            "total": 0,
            "message": "",
            "created": now,
            "updated": now,
        }
        with self._database.write() as connection:
            connection.execute(jobs.insert().values(**row))
            return _get(connection, connection.execute(sa.select(sa.func.max(jobs.c.id))).scalar_one())

    def update(
        self,
        id: int,  # noqa: A002 - the API's word
        state: State | None = None,
        progress: int | None = None,
        total: int | None = None,
        message: str | None = None,
    ) -> Job:
        """Change the given fields. Raises ``ItemNotFound``, or ``InvalidArgument`` for an unknown state."""
        if state is not None and state not in get_args(State):
            raise InvalidArgument(f"got the job state {state!r}; it must be one of {', '.join(get_args(State))}")
        given = {"state": state, "progress": progress, "total": total, "message": message}
        changed = {name: value for name, value in given.items() if value is not None}
        with self._database.write() as connection:
            connection.execute(jobs.update().where(jobs.c.id == id).values(**changed, updated=self._clock()))
            return _get(connection, id)

    def get(self, id: int) -> Job:  # noqa: A002
        """One job. Raises ``ItemNotFound``."""
        with self._database.read() as connection:
            return _get(connection, id)

    def list(self, limit: int = 50) -> list[Job]:
        """The latest jobs, newest first."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit))
            return [Job(**row) for row in found.mappings()]


def _get(connection: sa.Connection, id_: int) -> Job:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == id_)).mappings().first()
    if row is None:
        raise ItemNotFound(f"there is no job {id_}; `index status` and GET /jobs list the latest", id=id_)
    return Job(**row)
