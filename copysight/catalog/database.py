"""The database of the catalog: transactions and queries on the engine that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import sqlalchemy as sa

from copysight.catalog.engines import opening
from copysight.catalog.engines.engine import Lock, Marks, Rows
from copysight.catalog.engines.query import Query
from copysight.errors import NotWritable
from copysight.system.locks.shared_lock import SharedLock


class Database:
    """Each read transaction sees one state of the database. Writers queue, and a commit is durable when it returns.

    Errors of the driver become ``NotWritable``, ``IndexCorrupt``, ``CatalogUnavailable`` or ``InvalidArgument``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock = RLock()
        self._engine = opening.engine_at(path)
        self._errors = self._engine.errors

    @property
    def marks(self) -> Marks:
        """Marks of numbers that are in use by a running process."""
        return self._engine.marks

    def locate(self, identity: str) -> None:
        """Remember where the open catalog is, so that writes are refused once it was moved or replaced."""
        self._engine.locate(identity)

    def fault(self) -> str | None:
        """Why the catalog is not at its place any more; None if it is. Takes 4 us."""
        return self._engine.fault()

    def check_place(self) -> None:
        """Raise ``NotWritable`` if the catalog was moved or replaced: what is written to it would be lost."""
        if (fault := self.fault()) is not None:
            raise NotWritable(
                f"the index at {self.path.parent} was moved or replaced while it was open ({fault}), and what is "
                "written now would be lost; put the directory back, or restart to open what is there"
            )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only transaction, which sees one state of the database. Raises ``IndexCorrupt`` for a damaged file."""
        with self._explained(), self._engine.reading() as connection:
            yield connection

    def rows(self, query: Query, **values: Any) -> Rows:
        """Rows of one SELECT without a SQLAlchemy transaction, as the driver returns them."""
        try:
            return self._engine.rows(query, values)
        except self._errors as error:
            self._explain(error)
            raise

    @contextmanager
    def write(self, alone: bool = True) -> Iterator[sa.Connection]:
        """A write transaction. It excludes other writers, is atomic, and is durable when the block has ended.

        Without ``alone``, it changes only rows that no other writer depends on, and need not exclude them.
        Raises ``NotWritable`` if the catalog was moved or replaced, also when that happened during the transaction.
        """
        self.check_place()
        with self._explained(), self._write_lock, self._engine.writing(alone) as connection:
            yield connection
        self.check_place()

    def sequence_at_hand(self) -> int | None:
        """The change sequence if it can be told without waiting for another machine, else None."""
        try:
            return self._engine.sequence_at_hand()
        except self._errors as error:
            self._explain(error)
            raise

    def follow(self) -> None:
        """From now on, hear of changes as they are made, so that `sequence_at_hand` knows them."""
        self._engine.follow()

    def highest_id(self, connection: sa.Connection, table: str) -> int:
        """The highest id that a row of ``table`` ever had; 0 if there was none."""
        return self._engine.highest_id(connection, table)

    def faults(self) -> list[str]:
        """Faults that the engine finds in its own files; empty if there are none."""
        with self._explained():
            return self._engine.faults()

    def copy_to(self, path: Path, identity: str, tables: sa.MetaData) -> None:
        """Write a copy of one state of the database to a new SQLite file, while others read and write."""
        with self._explained():
            self._engine.copy_to(path, identity, tables)

    def lock(self, name: str) -> Lock:
        """The lock of this catalog with a ``name``: `publisher`, `reembedding` or `webhooks`."""
        return self._engine.lock(name)

    def blob_lock(self) -> SharedLock:
        """The lock of the blobs, which the engine has."""
        return self._engine.blob_lock()

    def close(self) -> None:
        """Close all connections."""
        self._engine.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            self._explain(error)
            raise

    def _explain(self, error: Exception) -> None:
        """Raise the error as one of ours, unless it is a defect of the program."""
        if (known := self._engine.explained(error)) is not None:
            raise known from error
