"""The audit trail: who did what to which item, when, and from which address. Entries are appended and never change."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa

from copysight.catalog.audit import chain, note
from copysight.catalog.audit.chain import Checked, Link
from copysight.catalog.audit.tables import audit
from copysight.catalog.database import Database

CHUNK = 5000


@dataclass(frozen=True)
class AuditFilter:
    """Which entries: of an ``action`` (or all that begin with it and a dot), ``author`` or ``item``; and from when.

    ``since`` and ``until`` are in seconds since the epoch, the first included.
    """

    action: str | None = None
    author: str | None = None
    item: int | None = None
    since: float | None = None
    until: float | None = None


class Audit:
    """Read, check and extend the audit trail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, action: str, detail: dict[str, Any]) -> None:
        """Append an entry about something outside of the catalog, such as a key, in a transaction of its own."""
        with self._database.write() as connection:
            note.note(connection, action, detail=detail)

    def page(self, wanted: AuditFilter, after: int = 0, limit: int = 100, newest: bool = False) -> list[dict[str, Any]]:
        """At most ``limit`` entries with their hashes: those above ``after``, or the newest below it, the last first.

        With ``newest``, ``after`` = 0 stands for the end.
        """
        with self._database.read() as connection:
            query = _filtered(sa.select(audit), wanted)
            if newest:
                query = (query.where(audit.c.id < after) if after else query).order_by(audit.c.id.desc())
            else:
                query = query.where(audit.c.id > after).order_by(audit.c.id)
            with connection.execute(query.execution_options(yield_per=min(limit, CHUNK))) as rows:
                about = (row for row in rows if wanted.item is None or note.covers(row.entry, wanted.item))
                return [json.loads(row.entry) | {"hash": row.hash} for row in islice(about, limit)]

    def links(self) -> Iterator[Link]:
        """All entries in their order, as they were written. Entries that are appended meanwhile come, too."""
        after = 0
        while True:
            query = sa.select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(CHUNK)
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            for row in rows:
                yield Link(row.entry, row.hash)
            after = rows[-1].id

    def check(self) -> Checked:
        """Check the whole chain, and that no entry was cut off at its end or differs in the columns for filters."""
        with self._database.read() as connection:
            with connection.execute(_ALL) as rows:
                checked = chain.check(Link(row.entry, row.hash) for row in rows)
            highest = self._database.highest_id(connection, audit.name)
            fault = checked.fault or _cut_off(highest, checked.count) or _differing(connection)
            return replace(checked, fault=fault)


_ALL = sa.select(audit).order_by(audit.c.id).execution_options(yield_per=CHUNK)


def _filtered(query: sa.Select[Any], wanted: AuditFilter) -> sa.Select[Any]:
    if wanted.action is not None:
        begins = sa.and_(audit.c.action >= f"{wanted.action}.", audit.c.action < f"{wanted.action}/")  # next to "."
        query = query.where(sa.or_(audit.c.action == wanted.action, begins))
    if wanted.author is not None:
        query = query.where(audit.c.author == wanted.author)
    if wanted.item is not None:
        query = query.where(audit.c.first <= wanted.item, audit.c.last >= wanted.item)
    if wanted.since is not None:
        query = query.where(audit.c.made >= wanted.since)
    return query if wanted.until is None else query.where(audit.c.made < wanted.until)


def _cut_off(highest: int, count: int) -> str | None:
    return f"{highest - count:,} entries are missing at the end" if highest > count else None


def _differing(connection: sa.Connection) -> str | None:
    """Whether the columns of an entry are not what its text says."""
    with connection.execute(_ALL) as rows:
        return next((fault for row in rows if (fault := _difference(row)) is not None), None)


def _difference(row: sa.Row[Any]) -> str | None:
    said = json.loads(row.entry)
    numbers = [number for pair in said["items"] for number in pair] or [None]
    columns = (row.id, note.timestamp(row.made), row.author, row.action, row.first, row.last)
    if columns != (said["id"], said["time"], said["by"], said["action"], numbers[0], numbers[-1]):
        return f"the columns of entry {row.id} differ from its text"
    return None
