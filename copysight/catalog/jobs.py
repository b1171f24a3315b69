"""Jobs: state and progress of long tasks, stored in the catalog so that other processes can read them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import get_args

import sqlalchemy as sa

from copysight.catalog.database import Database
from copysight.catalog.records import Job, State
from copysight.catalog.schema import jobs
from copysight.errors import InvalidArgument, ItemNotFound, PublisherBusy
from copysight.system import storable

START_SECONDS = 600.0
"""Time in which the process of a new job starts, also on a busy machine. A job that waits longer has none."""
INTERRUPTED = "stopped by Ctrl-C; run the same command again to go on"
KILLED = "its process ended before the job was done (killed, or out of memory); run the same command again to go on"


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
        with self._database.write(alone=False) as connection:
            number = connection.execute(jobs.insert().values(**row)).inserted_primary_key[0]  # type: ignore[index]
            return _get(connection, int(number))

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
        text = None if message is None else storable.readable_text(message)  # may name a file that is not UTF-8
        given = {"state": state, "progress": progress, "total": total, "message": text}
        changed = {name: value for name, value in given.items() if value is not None}
        with self._database.write(alone=False) as connection:
            connection.execute(jobs.update().where(jobs.c.id == id).values(**changed, updated=self._clock()))
            return _get(connection, id)

    def claim(self, kind: str, waiting: float) -> Job | None:
        """The oldest job of a kind that has waited for its process longer than ``waiting`` seconds; None if none has.

        The caller starts its process: for others, the job has just begun to wait. Several callers get different jobs.
        """
        with self._database.write(alone=False) as connection:
            now = self._clock()
            late = sa.and_(jobs.c.kind == kind, jobs.c.state == "queued", jobs.c.updated < now - waiting)
            oldest = sa.select(jobs.c.id).where(late).order_by(jobs.c.id).limit(1).with_for_update(skip_locked=True)
            number = connection.execute(oldest).scalar()
            if number is None:
                return None
            connection.execute(jobs.update().where(jobs.c.id == number).values(updated=now))
            return _get(connection, number)

    @contextmanager
    def running(self, id: int) -> Iterator[None]:  # noqa: A002
        """Record a job as ``running`` during the block.

        An error makes it ``failed``, a stop (a signal, Ctrl-C) ``cancelled``; its message says why. The end of the
        block makes it ``done``. If the process is killed, `get` and `list` tell that the job has ``failed``.
        Raises ``PublisherBusy`` if another process runs it.
        """
        if self._database.marks.is_held(id):
            raise PublisherBusy(f"another process runs job {id} already")
        with self._database.marks.hold(id):
            self.update(id, state="running")
            try:
                yield
            except BaseException as error:
                stopped = isinstance(error, KeyboardInterrupt)
                reason = str(error) or (INTERRUPTED if stopped else type(error).__name__)
                self.update(id, state="cancelled" if stopped else "failed", message=reason)
                raise
            self.update(id, state="done")

    def get(self, id: int) -> Job:  # noqa: A002
        """One job. Raises ``ItemNotFound``."""
        with self._database.read() as connection:
            return self._now(_get(connection, id))

    def ended_early(self, id: int) -> bool:  # noqa: A002
        """Whether nobody has recorded the end of a job: it is waiting or running, or its process was killed."""
        with self._database.read() as connection:
            return _get(connection, id).state in {"queued", "running"}

    def list(self, limit: int = 50) -> list[Job]:
        """The latest jobs, newest first."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit))
            return [self._now(Job(**row)) for row in found.mappings()]

    def _now(self, job: Job) -> Job:
        """The job as it is now: nobody could record the end of one whose process was killed."""
        waits = job.state == "queued" and self._clock() - job.updated < START_SECONDS
        if job.state not in {"queued", "running"} or waits or self._database.marks.is_held(job.id):
            return job
        return replace(job, state="failed", message=KILLED)


def _get(connection: sa.Connection, id_: int) -> Job:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == id_)).mappings().first()
    if row is None:
        raise ItemNotFound(f"there is no job {id_}; `index status` and GET /jobs list the latest", id=id_)
    return Job(**row)
