"""The SQLite database of the catalog: connections, transactions and settings."""

import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from copysight.errors import IndexCorrupt, InvalidArgument, NotWritable
from copysight.system import storable
from copysight.system.place import Inside, Place

STORAGE_ERRORS = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN")
DAMAGE_ERRORS = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
WRITABLE = "mode=rwc"
BUSY_TIMEOUT = 120.0  # seconds that a writer waits for other writers before it fails
READ_TRIES, READ_PAUSE = 100, 0.02  # while another process moves its log into the file, which may take a second


class Database:
    """Each read transaction sees one state of the database. Writers queue, and a commit is durable when it returns.

    SQLite runs in WAL mode with ``synchronous=FULL``: it fsyncs the log at every commit. A database that cannot be
    written, such as a backup on a read-only mount, is opened read-only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock = RLock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._place: Place | None = None
        mode = _mode(path)
        self._connect = partial(
            sqlite3.connect, f"file:{quote(str(path))}?{mode}", timeout=BUSY_TIMEOUT, check_same_thread=False, uri=True
        )
        self._prepare = _prepare if mode == WRITABLE else _prepare_reader
        self._engine = sa.create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=sa.QueuePool,
            pool_size=16,
            max_overflow=64,
            json_deserializer=storable.loads,
            hide_parameters=True,  # errors are logged, and stored values must not appear in logs
        )
        sa.event.listen(self._engine, "connect", self._prepare)
        sa.event.listen(self._engine, "begin", _begin)

    def locate(self, identity: str) -> None:
        """Remember where the open file is, so that writes are refused once it was moved or replaced."""
        self._place = Place(self.path, identity, self._inside)

    def fault(self) -> str | None:
        """Why the file is not at its place any more; None if it is. Takes 4 us."""
        return None if self._place is None else self._place.fault()

    def check_place(self) -> None:
        """Raise ``NotWritable`` if the file was moved or replaced: what is written to it would be lost."""
        if (fault := self.fault()) is not None:
            raise NotWritable(
                f"the index at {self.path.parent} was moved or replaced while it was open ({fault}), and what is "
                "written now would be lost; put the directory back, or restart to open what is there"
            )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only transaction, which sees one state of the database. Raises ``IndexCorrupt`` for a damaged file."""
        with self._translate_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of one SELECT without a SQLAlchemy transaction: 15 us for one number, where `read` takes 90 us."""
        with self._translate_errors():
            connection = self._take_connection()
            try:
                return connection.execute(query, values).fetchall()
            finally:
                self._idle.append(connection)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A write transaction. It excludes other writers, is atomic, and is durable when the block has ended.

        Raises ``NotWritable`` if the file was moved or replaced, also when that happened during the transaction.
        """
        self.check_place()
        with self._translate_errors(), self._write_lock, self._engine.connect() as connection:
            connection.execution_options(write=True)
            with connection.begin():
                yield connection
        self.check_place()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
            cause = error.orig if isinstance(error, sa.exc.DatabaseError) else error
            name = getattr(cause, "sqlite_errorname", "")
            if name.startswith(STORAGE_ERRORS):
                raise NotWritable(
                    f"{self.path} cannot be written ({name}: {cause}); free disk space, or grant write access"
                ) from error
            if not name.startswith(DAMAGE_ERRORS):
                raise
            raise IndexCorrupt(f"{self.path} is damaged ({cause}); restore the index from a backup") from error
        except (UnicodeEncodeError, OverflowError) as error:  # of the driver: a surrogate, an integer beyond 64 bits
            raise InvalidArgument(f"got a value that SQLite cannot hold ({error}); use another one") from error

    def faults(self) -> list[str]:
        """Faults found by SQLite's integrity and foreign-key checks; empty for a sound file."""
        with self.read() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return found + [f"table {row[0]}, row {row[1]}: refers to a missing row of {row[2]}" for row in broken]

    def copy_to(self, path: Path, identity: str) -> None:
        """Write a copy of one state of the database to a new file, while others read and write."""
        source = self._engine.raw_connection()
        try:
            target = sqlite3.connect(path)
            try:
                source.driver_connection.backup(target)  # type: ignore[union-attr]
                target.execute("PRAGMA journal_mode=DELETE")
                target.execute("UPDATE state SET identity = ?", (identity,))
                target.commit()
            finally:
                target.close()
        finally:
            source.close()

    def close(self) -> None:
        """Close all connections. SQLite merges its log into the file when the last one is closed."""
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()
        if self._place is not None:
            self._place.close()

    def _inside(self) -> Inside | None:
        """The identity in the file itself, without its log; None if it cannot be read."""
        for _ in range(READ_TRIES):
            if not self.path.exists():
                return None
            try:
                connection = sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro&immutable=1", uri=True)
                try:
                    columns = {row[1] for row in connection.execute("PRAGMA table_info(state)")}
                    identity = "identity" if "identity" in columns else "NULL"
                    [found] = connection.execute(f"SELECT {identity}, sequence FROM state")  # noqa: S608 - a constant
                    return Inside(*found)
                finally:
                    connection.close()
            except (sqlite3.DatabaseError, ValueError):
                time.sleep(READ_PAUSE)
        return None

    def _take_connection(self) -> sqlite3.Connection:
        """Take a connection for one read, without SQLAlchemy's pool, whose checkout takes longer than a read."""
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._connect()
            self._prepare(connection, None)
            return connection


def _mode(path: Path) -> str:
    if not path.exists() or os.access(path.parent, os.W_OK):
        return WRITABLE
    # SQLite may skip its locks only if no process can write, and no log holds commits.
    frozen = os.statvfs(path).f_flag & os.ST_RDONLY and not Path(f"{path}-wal").exists()
    return "mode=ro&immutable=1" if frozen else "mode=ro"


def _prepare_reader(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA cache_size=-65536")


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # `_begin` begins transactions, not the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: sa.Connection) -> None:
    # A writer takes the write lock at once. Upgrading a read lock later would fail instead of waiting.
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
