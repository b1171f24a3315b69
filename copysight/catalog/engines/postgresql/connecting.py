"""Connect to PostgreSQL: session settings, and how soon a dead server is noticed."""

import hashlib
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

CONNECT_SECONDS = 5
DEAD_SECONDS = 10
"""A connection whose other end is silent for so long is dead: the machine or the network is gone."""
LOCK_SECONDS = 120
"""Time that a writer waits for other writers before it fails."""

Connection = psycopg.Connection[tuple[Any, ...]]


class Connector:
    """Makes connections to one schema of a database."""

    def __init__(self, url: str, schema: str) -> None:
        self.schema = schema
        try:
            self._given: dict[str, Any] = dict(conninfo_to_dict(url))
        except psycopg.ProgrammingError as error:
            raise ValueError(str(error)) from None  # without the address, which may hold a password
        self._given |= {
            "application_name": self._given.get("application_name", "copysight"),
            "client_encoding": "UTF8",
            "connect_timeout": self._given.get("connect_timeout", CONNECT_SECONDS),
            "keepalives_idle": DEAD_SECONDS // 2,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": DEAD_SECONDS * 1000,
        }

    def pooled(self) -> Connection:
        """A connection for SQLAlchemy, whose transactions begin with their first statement."""
        return self._connect(LOCK_SECONDS)

    def single(self) -> Connection:
        """A connection on which each statement is a transaction, and that waits for locks without an end."""
        made = self._connect(0)
        made.autocommit = True
        return made

    def plain(self) -> Connection:
        """Like `single`; JSON is text in its rows, as in those of SQLite."""
        made = self.single()
        made.adapters.register_loader("json", TextLoader)
        return made

    def key(self, name: str) -> int:
        """The number of the advisory lock ``name`` of this schema, 64 bits with a sign."""
        return int.from_bytes(self._digest(name)[:8], signed=True)

    def short_key(self, name: str) -> int:
        """A number of 31 bits for `key`, for the locks that have two numbers."""
        return int.from_bytes(self._digest(name)[:4]) >> 1

    def _digest(self, name: str) -> bytes:
        return hashlib.sha256(f"copysight {self.schema} {name}".encode()).digest()

    def _connect(self, lock_seconds: int) -> Connection:
        settings = {
            "search_path": self.schema,
            "synchronous_commit": "on",  # a commit is durable when it returns, whatever the server's default is
            "lock_timeout": f"{lock_seconds}s",
            "statement_timeout": "0",
            "idle_in_transaction_session_timeout": "0",
            "extra_float_digits": "1",
        }
        ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
        given = self._given.get("options")
        return psycopg.connect(**self._given | {"options": f"{given} {ours}" if given else ours})
