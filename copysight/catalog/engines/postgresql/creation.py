"""Create the schema of a catalog, and the file that names it."""

import secrets
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from copysight.catalog.engines.postgresql import address, failures
from copysight.catalog.engines.postgresql.address import Place, Server
from copysight.catalog.engines.postgresql.connecting import Connector
from copysight.catalog.engines.postgresql.document import ServerDocument
from copysight.catalog.engines.postgresql.engine import PostgresEngine
from copysight.errors import InvalidArgument
from copysight.system import durable

Fill = Callable[[PostgresEngine, sa.Connection], None]


def create(path: Path, server: Server, fill: Fill) -> Path:
    """Create a schema, whose tables ``fill`` creates in one transaction, and then the file that names it.

    Without a name in the address, the schema gets one of its own. Returns the path of the file. Raises
    ``InvalidArgument`` if the schema holds tables, ``NotWritable``, ``CatalogUnavailable``.
    """
    file = path.with_suffix(address.SUFFIX)
    schema = server.schema or f"copysight_{secrets.token_hex(6)}"
    engine = engine_of(file, server, schema)
    try:
        with failures.explaining(), engine.writing(alone=True) as connection:
            if connection.execute(_TABLES, {"schema": schema}).first() is not None:
                raise InvalidArgument(
                    f"the schema {schema!r} holds tables already; open the index that it belongs to, or name another "
                    "schema in COPYSIGHT_CATALOG (?schema=NAME)"
                )
            if connection.execute(_ENCODING).scalar_one() != "UTF8":
                raise InvalidArgument("the database has another encoding than UTF8; create one with UTF8")
            if connection.execute(_SCHEMA, {"schema": schema}).first() is None:
                connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
            fill(engine, connection)
            identity = str(connection.execute(_IDENTITY).scalar_one())
    finally:
        engine.close()
    with durable.writable(file):
        durable.write_file(file, address.content(Place(schema, identity)))
    return file


def engine_of(path: Path, server: Server, schema: str, identity: str | None = None) -> PostgresEngine:
    """The engine of a schema that holds a catalog of this ``identity``; None: a new one. Raises ``InvalidArgument``."""
    try:
        return PostgresEngine(path, Connector(server.url, schema), identity)
    except ValueError as error:
        raise InvalidArgument(f"got an address in {address.VARIABLE} that cannot be read ({error})") from None


def document(path: Path, server: Server, schema: str, name: str) -> ServerDocument:
    """A document beside the catalog of a schema. Raises ``InvalidArgument``."""
    return ServerDocument(engine_of(path, server, schema).connector, name)


def find(path: Path, server: Server) -> Place | None:
    """The catalog in the schema that the address names; None if it names none, or holds none.

    Raises ``CatalogUnavailable``.
    """
    if server.schema is None:
        return None
    engine = engine_of(path, server, server.schema)
    try:
        with failures.explaining(), engine.reading() as connection:
            if connection.execute(_CATALOG, {"schema": server.schema}).first() is None:
                return None
            return Place(server.schema, str(connection.execute(_IDENTITY).scalar_one()))
    finally:
        engine.close()


_CATALOG = sa.text("SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = 'state'")
_TABLES = sa.text("SELECT 1 FROM pg_tables WHERE schemaname = :schema LIMIT 1")
_SCHEMA = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
_ENCODING = sa.text("SELECT current_setting('server_encoding')")
_IDENTITY = sa.text("SELECT identity FROM state")
