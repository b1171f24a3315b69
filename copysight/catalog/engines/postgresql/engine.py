"""The catalog as one schema of a PostgreSQL database: connections, transactions, locks, what is heard of changes."""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from copysight.catalog.engines import copying
from copysight.catalog.engines.engine import Lock, Marks, Rows
from copysight.catalog.engines.postgresql import ddl, failures
from copysight.catalog.engines.postgresql.connecting import Connection, Connector
from copysight.catalog.engines.postgresql.follower import Follower
from copysight.catalog.engines.postgresql.locks import AdvisoryLock, AdvisoryMarks, SharedAdvisoryLock
from copysight.catalog.engines.query import Query
from copysight.errors import CopysightError, IndexNotFound
from copysight.system import storable
from copysight.system.locks.shared_lock import SharedLock
from copysight.system.place import Inside, Place

log = logging.getLogger("copysight.catalog")
SMALL = 64 * 1024
"""Bytes of a table for which any plan is good."""


class PostgresEngine:
    """PostgreSQL. A reader sees one state (REPEATABLE READ); writers queue at an advisory lock, and commit durably.

    A lost connection is made again by the next call. ``path``: the file that names the schema.
    """

    errors = failures.ERRORS
    marks: Marks

    def __init__(self, path: Path, connector: Connector, identity: str | None = None) -> None:
        """``identity``: that of the catalog which the file names; None for a new one."""
        self._path, self.connector = path, connector
        self._place: Place | None = None
        self._follower: Follower | None = None
        self._identity = identity
        self._idle: deque[Connection] = deque()
        self._analysed = False
        self.marks = AdvisoryMarks(connector, "jobs")
        self._writers = connector.key("writers")
        self._blob_lock = SharedAdvisoryLock(connector, connector.key("blobs"))
        self._engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=connector.pooled,
            pool_size=16,
            max_overflow=16,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            json_deserializer=storable.loads,
            hide_parameters=True,  # errors are logged, and stored values must not appear in logs
        )
        self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A read-only transaction, which sees one state of the database."""
        with self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, alone: bool) -> Iterator[sa.Connection]:
        """A write transaction. ``alone``: it waits for all others that are alone, also in other processes."""
        number = None
        with self._engine.connect() as connection, connection.begin():
            if alone:
                connection.execute(_WAIT, {"key": self._writers})
            yield connection
            if alone and not self._analysed:
                self._analyse(connection)
            if self._follower is not None:
                number = int(connection.execute(_SEQUENCE).scalar_one())
        if self._follower is not None and number is not None:
            self._follower.heard(number)

    def rows(self, query: Query, values: Mapping[str, Any]) -> Rows:
        """The rows of a query, as the driver returns them. A query on a lost connection is made again."""
        made = query.compiled(self._engine.dialect)
        given = made.named(values)
        while self._idle:
            try:
                return self._rows(self._idle.pop(), made.text, given)
            except psycopg.OperationalError as error:
                if error.sqlstate is not None and not error.sqlstate.startswith(("08", "57P")):
                    raise
            except IndexError:  # another thread has taken it
                break
        return self._rows(self.connector.plain(), made.text, given)

    def sequence_at_hand(self) -> int | None:
        """The change sequence as it was heard of; None if nobody listens, or the server does not answer."""
        return None if self._follower is None else self._follower.latest()

    def follow(self) -> None:
        """From now on, listen to the server."""
        self._follower = self._follower or Follower(self.connector, self._identity)

    def explained(self, error: Exception) -> CopysightError | None:
        """An error of the driver as one of ours; None if it is a defect of the program."""
        return failures.explained(error)

    def locate(self, identity: str) -> None:
        """Remember where the file is that names the catalog. Raises ``IndexNotFound`` if it names another one."""
        if self._identity not in {None, identity}:
            raise IndexNotFound(
                f"the schema {self.connector.schema!r} holds another catalog than that of {self._path.parent}; look "
                "at COPYSIGHT_CATALOG"
            )
        self._identity = identity
        self._place = Place(self._path, identity, lambda: Inside(identity, 0))

    def fault(self) -> str | None:
        """Why the catalog is not at its place any more; None if it is. The server is not asked."""
        if self._follower is not None and self._follower.fault is not None:
            return self._follower.fault
        return None if self._place is None else self._place.fault()

    def faults(self) -> list[str]:
        """PostgreSQL's own checks are those of its administrator (`pg_amcheck`); the server must be durable."""
        with self.reading() as connection:
            on = connection.execute(_FSYNC).scalar_one()
        return [] if on == "on" else ["the server runs with fsync = off, and loses what is written when it crashes"]

    def highest_id(self, connection: sa.Connection, table: str) -> int:
        """The highest id that a row of ``table`` ever had; 0 if there was none."""
        noted = connection.execute(_NOTED, {"table": table}).scalar()
        sequence = connection.execute(_SERIAL, {"table": table}).scalar()
        issued = 0
        if sequence is not None:
            [(last, called)] = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {sequence}").all()  # noqa: S608 - a name that PostgreSQL has quoted
            issued = int(last) if called else 0
        return max(int(noted or 0), issued)

    def set_highest_id(self, connection: sa.Connection, table: str, number: int) -> None:
        """Issue no id up to ``number`` for new rows of ``table``."""
        if number > 0 and connection.execute(_SERIAL, {"table": table}).scalar() is not None:
            connection.execute(_SET_SERIAL, {"table": table, "number": number})

    def copy_to(self, path: Path, identity: str, tables: sa.MetaData) -> None:
        """Write one state of the catalog to a new SQLite file, while others read and write."""
        copying.to_file(self, path, identity, tables)

    def lock(self, name: str) -> Lock:
        """An advisory lock of this schema."""
        return AdvisoryLock(self.connector, self.connector.key(name))

    def blob_lock(self) -> SharedLock:
        """An advisory lock of this schema."""
        return self._blob_lock

    def close(self) -> None:
        """Close all connections."""
        self._blob_lock.close()
        if self._follower is not None:
            self._follower.close()
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()
        if self._place is not None:
            self._place.close()

    def _analyse(self, connection: sa.Connection) -> None:
        """Analyse new tables at once; PostgreSQL does so after a minute.

        Before that, it expects few items in a collection, and reads all of them for the keys of a chunk.
        """
        new, size = connection.execute(_ITEMS).one()
        if new and size > SMALL:
            connection.exec_driver_sql("ANALYZE items, vectors")
        self._analysed = not new or size > SMALL

    def _rows(self, connection: Connection, text: str, given: Mapping[str, Any]) -> Rows:
        try:
            found = connection.execute(text.encode(), given).fetchall()
        except psycopg.Error:
            if connection.broken or connection.closed:
                connection.close()
            else:
                self._idle.append(connection)
            raise
        self._idle.append(connection)
        return found


_WAIT = sa.text("SELECT pg_advisory_xact_lock(:key)")
_ITEMS = sa.text("SELECT reltuples < 0, pg_relation_size(oid) FROM pg_class WHERE oid = to_regclass('items')")
_SEQUENCE = sa.text("SELECT sequence FROM state")
_FSYNC = sa.text("SELECT current_setting('fsync')")
_NOTED = sa.text(f"SELECT id FROM {ddl.HIGHEST} WHERE name = :table")  # noqa: S608 - a constant
_SERIAL = sa.text(
    "SELECT pg_get_serial_sequence(:table, 'id') FROM information_schema.columns WHERE table_schema = "
    "current_schema() AND table_name = :table AND column_name = 'id'"
)
_SET_SERIAL = sa.text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :number)")
