"""The catalog as one SQLite file: connections, transactions, settings, and what SQLite alone can do."""

import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from copysight.catalog.engines.engine import Lock, Marks, Rows
from copysight.catalog.engines.query import Query
from copysight.errors import CopysightError, IndexCorrupt, InvalidArgument, NotWritable
from copysight.system import storable
from copysight.system.locks.file_lock import FileLock
from copysight.system.locks.held import Held
from copysight.system.locks.shared_lock import SharedFileLock, SharedLock
from copysight.system.place import Inside, Place

STORAGE_ERRORS = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN")
DAMAGE_ERRORS = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
WRITABLE = "mode=rwc"
BUSY_TIMEOUT = 120.0  # seconds that a writer waits for other writers before it fails
READ_TRIES, READ_PAUSE = 100, 0.02  # while another process moves its log into the file, which may take a second
SEQUENCE = "SELECT sequence FROM state"
MARKS = ".jobs.lock"
BLOBS, BLOB_LOCK = "blobs", ".lock"
LOCKS = {
    "publisher": ("publisher.lock", 0o644),
    "reembedding": ("staging/reembedding.lock", 0o644),
    "webhooks": (".webhooks.lock", 0o600),
}
"""The file of each lock, beside the catalog, and its mode."""


class SqliteEngine:
    """SQLite in WAL mode with ``synchronous=FULL``: it fsyncs the log at every commit.

    A database that cannot be written, such as a backup on a read-only mount, is opened read-only.
    """

    errors: tuple[type[Exception], ...] = (
        sa.exc.DatabaseError,
        sqlite3.DatabaseError,
        UnicodeEncodeError,
        OverflowError,
    )
    marks: Marks

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._place: Place | None = None
        self.marks = Held(path.with_name(MARKS))
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
        self._dialect = self._engine.dialect
        sa.event.listen(self._engine, "connect", self._prepare)
        sa.event.listen(self._engine, "begin", _begin)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A read-only transaction, which sees one state of the database."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, alone: bool) -> Iterator[sa.Connection]:  # noqa: ARG002 - there is one writer of a file
        """A write transaction, which excludes all others."""
        with self._engine.connect() as connection:
            connection.execution_options(write=True)
            with connection.begin():
                yield connection

    def rows(self, query: Query, values: Mapping[str, Any]) -> Rows:
        """The rows of a query, as the driver returns them."""
        made = query.compiled(self._dialect)
        return self._rows(made.text, made.positional(values))

    def sequence_at_hand(self) -> int | None:
        """The change sequence. SQLite readers wait neither for writers nor for each other."""
        [[number]] = self._rows(SEQUENCE, ())
        return int(number)

    def follow(self) -> None:
        """Nothing to do: a read of the change sequence takes 15 us."""

    def explained(self, error: Exception) -> CopysightError | None:
        """An error of SQLite as one of ours; None if it is a defect of the program."""
        if isinstance(error, UnicodeEncodeError | OverflowError):  # of the driver: a surrogate, more than 64 bits
            return InvalidArgument(f"got a value that SQLite cannot hold ({error}); use another one")
        cause = error.orig if isinstance(error, sa.exc.DatabaseError) else error
        name = getattr(cause, "sqlite_errorname", "")
        if name.startswith(STORAGE_ERRORS):
            return NotWritable(
                f"{self._path} cannot be written ({name}: {cause}); free disk space, or grant write access"
            )
        if name.startswith(DAMAGE_ERRORS):
            return IndexCorrupt(f"{self._path} is damaged ({cause}); restore the index from a backup")
        return None

    def locate(self, identity: str) -> None:
        """Remember where the open file is, so that writes are refused once it was moved or replaced."""
        self._place = Place(self._path, identity, self._inside)

    def fault(self) -> str | None:
        """Why the file is not at its place any more; None if it is. Takes 4 us."""
        return None if self._place is None else self._place.fault()

    def faults(self) -> list[str]:
        """Faults found by SQLite's integrity and foreign-key checks; empty for a sound file."""
        with self.reading() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return found + [f"table {row[0]}, row {row[1]}: refers to a missing row of {row[2]}" for row in broken]

    def highest_id(self, connection: sa.Connection, table: str) -> int:
        """The highest id that a row of ``table`` ever had; 0 if there was none."""
        return int(connection.execute(_HIGHEST, {"table": table}).scalar() or 0)

    def set_highest_id(self, connection: sa.Connection, table: str, number: int) -> None:
        """Issue no id up to ``number`` for new rows of ``table``, if SQLite was told to issue none twice."""
        if number and connection.execute(_AUTOINCREMENT, {"table": table}).first() is not None:
            connection.execute(_FORGET, {"table": table})
            connection.execute(_REMEMBER, {"table": table, "number": number})

    def make_single_file(self) -> None:
        """Close, move the log into the file, and do without one until the file is opened again."""
        self.close()
        connection = self._connect()
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
        finally:
            connection.close()

    def copy_to(self, path: Path, identity: str, tables: sa.MetaData) -> None:  # noqa: ARG002 - SQLite copies pages
        """Write one state of the database to a new file, while others read and write."""
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

    def lock(self, name: str) -> Lock:
        """A lock file beside the catalog."""
        file, mode = LOCKS[name]
        return FileLock(self._path.parent / file, mode)

    def blob_lock(self) -> SharedLock:
        """A lock file beside the blobs."""
        return SharedFileLock(self._path.with_name(BLOBS) / BLOB_LOCK)

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
            if not self._path.exists():
                return None
            try:
                connection = sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro&immutable=1", uri=True)
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

    def _rows(self, text: str, values: Any) -> Rows:
        connection = self._take_connection()
        try:
            return connection.execute(text, values).fetchall()
        finally:
            self._idle.append(connection)

    def _take_connection(self) -> sqlite3.Connection:
        """Take a connection for one read, without SQLAlchemy's pool, whose checkout takes longer than a read."""
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._connect()
            self._prepare(connection, None)
            return connection


_HIGHEST = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table")
_AUTOINCREMENT = sa.text("SELECT 1 FROM sqlite_master WHERE name = :table AND sql LIKE '%AUTOINCREMENT%'")
_FORGET = sa.text("DELETE FROM sqlite_sequence WHERE name = :table")
_REMEMBER = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)")


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
