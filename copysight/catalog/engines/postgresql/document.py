"""Small documents beside the catalog that are no part of it: API keys. A backup of the catalog has none of them."""

import math
import time
from collections.abc import Callable

import psycopg

from copysight.catalog.engines.postgresql.connecting import Connector
from copysight.catalog.engines.postgresql.failures import explaining
from copysight.catalog.engines.postgresql.locks import AdvisoryLock

SECONDS = 1.0
"""How long what was read is believed."""
TABLE = "CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, content BYTEA NOT NULL)"
READ = "SELECT content FROM documents WHERE name = %s"
WRITE = "INSERT INTO documents VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET content = excluded.content"


class ServerDocument:
    """A row in the schema of a catalog."""

    def __init__(self, connector: Connector, name: str) -> None:
        self._connector, self._name = connector, name
        self._read: bytes | None = None
        self._at = -math.inf

    def read(self) -> bytes | None:
        """The contents, as they were a second ago at most. Raises ``CatalogUnavailable``."""
        if time.monotonic() - self._at > SECONDS:
            found = self._fetch()
            self._read = self._read if found == self._read else found
            self._at = time.monotonic()
        return self._read

    def change(self, make: Callable[[bytes | None], bytes]) -> None:
        """Replace the contents. Raises ``CatalogUnavailable``."""
        lock = AdvisoryLock(self._connector, self._connector.key(f"document {self._name}"))
        lock.acquire(wait=True)
        try:
            with explaining(), self._connector.single() as connection:
                connection.execute(TABLE)
                connection.execute(WRITE, (self._name, make(self._fetch())))
        finally:
            lock.release()
        self._at = -math.inf

    def _fetch(self) -> bytes | None:
        with explaining(), self._connector.single() as connection:
            try:
                row = connection.execute(READ, (self._name,)).fetchone()
            except psycopg.errors.UndefinedTable:
                return None
        return None if row is None else bytes(row[0])
