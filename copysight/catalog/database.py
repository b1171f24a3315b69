"""The catalog's database: connections, transactions, and what is particular to SQLite."""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from copysight.errors import IndexCorrupt, NotWritable

STORAGE = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN")
DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
WRITABLE = "mode=rwc"
WAIT = 120.0  # seconds that a writer queues behind others before it gives up


class Database:
    """Readers see one state of the database per transaction; writers queue, and a commit is durable when it returns.

    SQLite in WAL mode with ``synchronous=FULL``: the log is fsynced at every commit. Where nothing can be written, a
    backup on a read-only mount say, it is read as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = RLock()
        self._spare: deque[sqlite3.Connection] = deque()
        mode = _mode(path)
        self._connect = partial(
            sqlite3.connect, f"file:{quote(str(path))}?{mode}", timeout=WAIT, check_same_thread=False, uri=True
        )
        self._prepare = _prepare if mode == WRITABLE else _prepare_reader
        self._engine = sa.create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=sa.QueuePool,
            pool_size=16,
            max_overflow=64,
            hide_parameters=True,  # an error goes into logs; what callers stored does not belong there
        )
        sa.event.listen(self._engine, "connect", self._prepare)
        sa.event.listen(self._engine, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state and changes nothing. Raises ``IndexCorrupt`` for a damaged file."""
        with self._sound(), self._engine.connect() as connection, connection.begin():
            yield connection

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What one SELECT finds, without the ceremony of a transaction: 15 us for a number, where `read` takes 90."""
        with self._sound():
            connection = self._borrowed()
            try:
                return connection.execute(query, values).fetchall()
            finally:
                self._spare.append(connection)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that changes: alone among writers, all or nothing, durable when the block has ended."""
        with self._sound(), self._turn, self._engine.connect() as connection:
            connection.execution_options(write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
            cause = error.orig if isinstance(error, sa.exc.DatabaseError) else error
            name = getattr(cause, "sqlite_errorname", "")
            if name.startswith(STORAGE):
                raise NotWritable(
                    f"{self.path} cannot be written ({name}: {cause}); free some space, or grant write access"
                ) from error
            if not name.startswith(DAMAGE):
                raise
            raise IndexCorrupt(f"{self.path} is damaged ({cause}); restore the index from a backup") from error

    def faults(self) -> list[str]:
        """What SQLite's own integrity and foreign-key checks find; empty for a sound file."""
        with self.read() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return found + [f"table {row[0]}, row {row[1]}: refers to a missing row of {row[2]}" for row in broken]

    def copy_to(self, path: Path) -> None:
        """Online backup: one state of the database, while others read and write."""
        source = self._engine.raw_connection()
        try:
            target = sqlite3.connect(path)
            try:
                source.driver_connection.backup(target)  # type: ignore[union-attr]
                target.execute("PRAGMA journal_mode=DELETE")
            finally:
                target.close()
        finally:
            source.close()

    def close(self) -> None:
        """Close all connections; SQLite folds its log into the file when the last one goes."""
        while self._spare:
            self._spare.pop().close()
        self._engine.dispose()

    def _borrowed(self) -> sqlite3.Connection:
        """A connection of one reader at a time, beside SQLAlchemy's pool, whose hand-over takes longer than a read."""
        try:
            return self._spare.pop()
        except IndexError:
            connection = self._connect()
            self._prepare(connection, None)
            return connection


def _mode(path: Path) -> str:
    if not path.exists() or os.access(path.parent, os.W_OK):
        return WRITABLE
    # SQLite may do without its locks only if nobody at all can write, and nothing waits in a log.
    frozen = os.statvfs(path).f_flag & os.ST_RDONLY and not Path(f"{path}-wal").exists()
    return "mode=ro&immutable=1" if frozen else "mode=ro"


def _prepare_reader(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA cache_size=-65536")


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: sa.Connection) -> None:
    # A writer takes its turn at once: a read lock that must be upgraded later fails instead of waiting.
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
