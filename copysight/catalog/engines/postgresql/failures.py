"""Errors of PostgreSQL as ours, by their SQLSTATE (PostgreSQL 15, appendix A)."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from copysight.errors import (
    CatalogUnavailable,
    CopysightError,
    IndexCorrupt,
    IndexNotFound,
    InvalidArgument,
    NotWritable,
)
from copysight.system.seldom import Seldom

log = logging.getLogger("copysight.catalog")
ERRORS: tuple[type[Exception], ...] = (
    sa.exc.DBAPIError, sa.exc.TimeoutError, psycopg.Error, UnicodeEncodeError, OverflowError
)  # fmt: skip
"""What `explained` may know."""
QUIET_SECONDS = 10.0
"""Time between two lines of the log about an outage, in which many calls fail a second."""
_SELDOM = Seldom(QUIET_SECONDS)


def explained(error: Exception) -> CopysightError | None:
    """An error of the driver as one of ours; None if it is a defect of the program."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    if isinstance(cause, UnicodeEncodeError | OverflowError) or (isinstance(cause, psycopg.DataError) and not state):
        return _value(cause)
    if state in MEANINGS:
        return MEANINGS[state](cause)
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | sa.exc.TimeoutError):
        return unavailable(cause)
    return None


def unavailable(cause: object) -> CatalogUnavailable:
    """The error of a server that does not answer. Its own words, which may name hosts and users, go to the log."""
    if _SELDOM.may():
        log.warning("the server of the catalog does not answer: %s", _first_line(cause))
    return CatalogUnavailable(
        "the server of the catalog does not answer now; try again in a moment (a write that was not acknowledged may "
        "have been made)"
    )


def _value(cause: object) -> InvalidArgument:
    return InvalidArgument(f"got a value that PostgreSQL cannot hold ({_first_line(cause)}); use another one")


def _storage(cause: object) -> NotWritable:
    return NotWritable(
        f"the catalog cannot be written (PostgreSQL says: {_first_line(cause)}); free disk space of the server, or "
        "grant write access"
    )


def _damage(cause: object) -> IndexCorrupt:
    return IndexCorrupt(f"the catalog is damaged ({_first_line(cause)}); restore the index from a backup")


def _gone(cause: object) -> IndexNotFound:
    return IndexNotFound(f"the catalog is not in its database ({_first_line(cause)}); look at COPYSIGHT_CATALOG")


MEANINGS: dict[str, Callable[[object], CopysightError]] = {
    "22001": _value,  # too long
    "22003": _value,  # too large
    "22021": _value,  # a NUL
    "22P05": _value,  # a character that the encoding lacks
    "25006": _storage,  # a read-only server
    "42501": _storage,  # missing rights
    "53100": _storage,  # a full disk
    "XX001": _damage,
    "XX002": _damage,
    "3D000": _gone,  # no such database
    "3F000": _gone,  # schema
    "42P01": _gone,  # table
}
"""By SQLSTATE."""


@contextmanager
def explaining() -> Iterator[None]:
    """Raise errors of the driver as ours."""
    try:
        yield
    except ERRORS as error:
        if (known := explained(error)) is not None:
            raise known from error
        raise


def _first_line(cause: object) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
