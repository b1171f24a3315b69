"""Create the SQLite file of a catalog atomically."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from copysight.catalog.engines.sqlite.engine import SqliteEngine
from copysight.system import durable


def create(path: Path, fill: Callable[[sa.Connection], None]) -> Path:
    """Create the file ``path``, whose tables ``fill`` creates. It appears complete."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    engine = SqliteEngine(temporary)
    with engine.writing(alone=True) as connection:
        fill(connection)
    engine.close()
    durable.sync_file(temporary)
    temporary.rename(path)
    durable.sync_directory(path.parent)
    return path
