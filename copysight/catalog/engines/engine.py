"""What the catalog needs of a database engine. SQL that only one of them knows is in its folder, and nowhere else."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from copysight.catalog.engines.query import Query
from copysight.errors import CopysightError
from copysight.system.locks.shared_lock import SharedLock

Rows = list[tuple[Any, ...]]


class Lock(Protocol):
    """A lock that one holder at a time has, in this process or another. It ends with its process, even by a kill."""

    def acquire(self, wait: bool = False) -> bool:
        """Take the lock; ``wait`` until it is free. Returns whether this holder has it now. Raises ``NotWritable``."""

    def is_held(self) -> bool:
        """Whether this holder still has it. The lock of a server is lost with the connection to it."""

    def release(self) -> None:
        """Give the lock back. Without effect if it is not held."""


class Marks(Protocol):
    """Numbers that are in use by a running process. A mark ends with its process, even by a kill."""

    def hold(self, number: int) -> AbstractContextManager[None]:
        """Mark ``number`` until the block, or the process, has ended. Raises ``NotWritable``."""

    def is_held(self, number: int) -> bool:
        """Whether a process holds the mark. True if that cannot be told."""


class Engine(Protocol):
    """One open database. ``errors`` are those that `explained` may know."""

    errors: tuple[type[Exception], ...]
    marks: Marks

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A read-only transaction, which sees one state of the database."""

    def writing(self, alone: bool) -> AbstractContextManager[sa.Connection]:
        """A write transaction, which is durable when it has ended.

        ``alone``: it excludes all others of that kind. Without, it may exclude them, too.
        """

    def rows(self, query: Query, values: Mapping[str, Any]) -> Rows:
        """The rows of a query, as the driver returns them."""

    def sequence_at_hand(self) -> int | None:
        """The change sequence if it can be told without waiting for another machine, else None."""

    def follow(self) -> None:
        """From now on, hear of changes as they are made, where the engine needs that for `sequence_at_hand`."""

    def explained(self, error: Exception) -> CopysightError | None:
        """An error of the driver as one of ours; None if it is a defect of the program."""

    def locate(self, identity: str) -> None:
        """Remember which catalog is open, so that `fault` sees that it was moved or replaced."""

    def fault(self) -> str | None:
        """Why the catalog is not at its place any more; None if it is. Never waits."""

    def faults(self) -> list[str]:
        """Faults that the engine finds in its own files; empty if there are none."""

    def highest_id(self, connection: sa.Connection, table: str) -> int:
        """The highest id that a row of ``table`` ever had; 0 if there was none."""

    def copy_to(self, path: Path, identity: str, tables: sa.MetaData) -> None:
        """Write one state of the catalog to a new SQLite file, while others read and write."""

    def lock(self, name: str) -> Lock:
        """The lock of this catalog with a ``name``: `publisher`, `reembedding` or `webhooks`."""

    def blob_lock(self) -> SharedLock:
        """The lock of the blobs: shared by who adds them, held alone by who removes those without an item."""

    def close(self) -> None:
        """Close all connections."""
