"""Advisory locks of PostgreSQL. Each belongs to a connection and ends with it: with the process, or the server."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from copysight.catalog.engines.postgresql.connecting import Connection, Connector
from copysight.catalog.engines.postgresql.failures import explaining


class AdvisoryLock:
    """One holder of a lock, with a connection of its own. ``key``: one number, or two."""

    def __init__(self, connector: Connector, *key: int) -> None:
        self._connector, self._key = connector, key
        self._places = ", ".join(["%s"] * len(key))
        self._connection: Connection | None = None
        self._held = False

    def acquire(self, wait: bool = False) -> bool:
        """Take the lock; ``wait`` until it is free. Returns whether this holder has it now.

        Raises ``CatalogUnavailable``.
        """
        if self.is_held():
            return True
        with explaining():
            if self._connection is None:
                self._connection = self._connector.single()
            try:
                self._held = self._take(self._connection, wait)
            except BaseException:
                self.release()
                raise
        return self._held

    def is_held(self) -> bool:
        """Whether this holder still has it: its connection answers."""
        if self._connection is None or not self._held:
            return False
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            self.release()
        return self._held

    def release(self) -> None:
        """Give the lock back, and close its connection. Without effect if it is not held."""
        connection, self._connection, self._held = self._connection, None, False
        if connection is not None:
            connection.close()

    def _take(self, connection: Connection, wait: bool) -> bool:
        if wait:
            connection.execute(f"SELECT pg_advisory_lock({self._places})".encode(), self._key)
            return True
        [found] = connection.execute(f"SELECT pg_try_advisory_lock({self._places})".encode(), self._key).fetchall()
        return bool(found[0])


class SharedAdvisoryLock:
    """A lock that many share, or one has alone. Holders take connections that stay open between two blocks."""

    def __init__(self, connector: Connector, key: int) -> None:
        self._connector, self._key = connector, key
        self._idle: deque[Connection] = deque()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold it together with others. Raises ``CatalogUnavailable``, also if the lock was lost in the block."""
        with explaining():
            connection = self._locked()
        try:
            yield
            with explaining():
                connection.execute("SELECT pg_advisory_unlock_shared(%s)", (self._key,))
        except BaseException:
            connection.close()  # which gives the lock back
            raise
        self._idle.append(connection)

    @contextmanager
    def alone(self, wait: bool) -> Iterator[bool]:
        """Hold it alone. Raises ``CatalogUnavailable``."""
        lock = AdvisoryLock(self._connector, self._key)
        try:
            yield lock.acquire(wait)
        finally:
            lock.release()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _locked(self) -> Connection:
        """A connection that shares the lock. Idle ones may be dead, after an outage."""
        while self._idle:
            with suppress(IndexError, psycopg.OperationalError):  # IndexError: another thread was faster
                return self._share(self._idle.pop())
        return self._share(self._connector.single())

    def _share(self, connection: Connection) -> Connection:
        try:
            connection.execute("SELECT pg_advisory_lock_shared(%s)", (self._key,))
        except BaseException:
            connection.close()
            raise
        return connection


class AdvisoryMarks:
    """Numbers below 2^31 that are in use by a running process."""

    def __init__(self, connector: Connector, name: str) -> None:
        self._connector, self._class = connector, connector.short_key(name)

    @contextmanager
    def hold(self, number: int) -> Iterator[None]:
        """Mark ``number`` until the block, or the process, has ended. Raises ``CatalogUnavailable``."""
        lock = AdvisoryLock(self._connector, self._class, number)
        lock.acquire()  # if another process holds the same mark, that is for other locks to prevent
        try:
            yield
        finally:
            lock.release()

    def is_held(self, number: int) -> bool:
        """Whether a process holds the mark."""
        with explaining(), self._connector.single() as connection:
            return connection.execute(_HELD, (self._class, number)).fetchone() is not None


_HELD = """
SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %s::bigint::oid
AND objid = %s::bigint::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
