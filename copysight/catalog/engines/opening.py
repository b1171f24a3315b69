"""Open the engine of a catalog by its path, create its database, or move it to another engine.

psycopg is imported only for a catalog that needs it: it is an extra.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from copysight.catalog.engines import copying
from copysight.catalog.engines.engine import Engine
from copysight.catalog.engines.postgresql import address
from copysight.catalog.engines.postgresql.address import Place
from copysight.catalog.engines.sqlite import creation
from copysight.catalog.engines.sqlite.engine import SqliteEngine
from copysight.system import durable
from copysight.system.imports import extras
from copysight.system.locks.document import Document, FileDocument


def engine_at(path: Path) -> Engine:
    """The engine of the catalog ``path``: a SQLite file, or a file that names a schema of PostgreSQL."""
    if path.suffix != address.SUFFIX:
        return SqliteEngine(path)
    place = address.read(path)
    engine: Engine = _postgresql().engine_of(path, address.server_of(path, place), place.schema, place.identity)
    return engine


def create(path: Path, fill: Callable[[sa.Connection], None], local: bool = False) -> Path:
    """Create a database, whose tables ``fill`` creates: a SQLite file if ``local``, or what COPYSIGHT_CATALOG says.

    Returns the path of the catalog. It appears when it is complete.
    """
    server = None if local else address.configured()
    if server is None:
        return creation.create(path, fill)
    made: Path = _postgresql().create(path, server, lambda _engine, connection: fill(connection))
    return made


def document(path: Path, name: str) -> Document:
    """A small document of the index whose catalog is ``path``, which is no part of the catalog.

    It is the file ``name``.json beside a SQLite file, and on the server of another catalog.
    """
    if path.suffix != address.SUFFIX:
        return FileDocument(path.with_name(f"{name}.json"))
    place = address.read(path)
    made: Document = _postgresql().document(path, address.server_of(path, place), place.schema, name)
    return made


def find(path: Path) -> Place | None:
    """The catalog in the schema that COPYSIGHT_CATALOG names; None if there is none."""
    server = address.configured()
    if server is None or server.schema is None:
        return None
    found: Place | None = _postgresql().find(path, server)
    return found


def join(path: Path, place: Place) -> None:
    """Make a directory one of the catalog ``place``: write the file ``path`` that names it."""
    file = path.with_suffix(address.SUFFIX)
    with durable.writable(file):
        durable.write_file(file, address.content(place))


def move_to_server(path: Path, tables: sa.MetaData) -> Path:
    """Copy the SQLite file ``path`` to the server of COPYSIGHT_CATALOG, and remove it. Returns the catalog's new path.

    If that variable is not set, nothing is moved.
    """
    server = address.configured()
    if server is None:
        return path
    source = SqliteEngine(path)

    def fill(engine: Any, connection: sa.Connection) -> None:
        tables.create_all(connection, checkfirst=False)
        with source.reading() as reader:
            copying.copy_rows(source, reader, engine, connection, tables)

    try:
        made: Path = _postgresql().create(path, server, fill)
    finally:
        source.close()
    path.unlink()
    return made


def _postgresql() -> Any:
    return extras.load("copysight.catalog.engines.postgresql.creation", address.VARIABLE, "psycopg", "postgres")
