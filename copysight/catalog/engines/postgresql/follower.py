"""Hear of changes of the catalog as they are committed (LISTEN), so that readers need not ask for each query."""

import logging
import threading
import time

import psycopg

from copysight.catalog.engines.postgresql.connecting import Connection, Connector

log = logging.getLogger("copysight.catalog")
LOOK_SECONDS, BEAT_SECONDS, RETRY_SECONDS = 0.25, 2.0, 0.25
"""Between two looks whether to stop; between two questions whether the server answers; until it is tried again."""
STATE = "SELECT identity, sequence FROM state"


class Follower:
    """Knows the change sequence of a catalog while a connection to its server is alive.

    A trigger notifies the channel with the schema's name. PostgreSQL sends a notification when it has committed.
    """

    def __init__(self, connector: Connector, identity: str | None) -> None:
        self._connector, self._identity = connector, identity
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._latest: int | None = None
        self._highest = 0
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="catalog-follower", daemon=True)
        self._thread.start()

    def latest(self) -> int | None:
        """The change sequence; None while the server does not answer."""
        return self._latest

    def heard(self, number: int) -> None:
        """Note a change that this process has committed: its own notification may come later."""
        with self._lock:
            self._highest = max(self._highest, number)
            if self._latest is not None:
                self._latest = self._highest

    def close(self) -> None:
        """Stop."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        told = False
        while not self._ended.is_set():
            try:
                with self._connector.single() as connection:
                    self._listen(connection)
            except psycopg.Error as error:
                if self._latest is not None or not told:  # once for each outage
                    log.warning("changes of the catalog are not heard of: %s", str(error).strip().split("\n")[0])
                told = True
            finally:
                self._latest = None
            self._ended.wait(RETRY_SECONDS)

    def _listen(self, connection: Connection) -> None:
        connection.execute(f'LISTEN "{self._connector.schema}"'.encode())
        self._begin(connection)
        beat = time.monotonic()
        while not self._ended.is_set():
            for notice in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                self.heard(int(notice.payload))
            if time.monotonic() - beat > BEAT_SECONDS:
                connection.execute("SELECT 1")
                beat = time.monotonic()

    def _begin(self, connection: Connection) -> None:
        [(identity, number)] = connection.execute(STATE).fetchall()
        with self._lock:
            if self._identity not in {None, identity}:
                self.fault = "another catalog is in its schema"
            elif number < self._highest:
                self.fault = "its catalog has gone back to an earlier state, as by restoring a backup"
            self._highest = max(self._highest, number)
            self._latest = None if self.fault else self._highest
