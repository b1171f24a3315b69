"""Open the engine of a catalog by its path, or create its database."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from copysight.catalog.engines.engine import Engine
from copysight.catalog.engines.sqlite import creation
from copysight.catalog.engines.sqlite.engine import SqliteEngine


def engine_at(path: Path) -> Engine:
    """The engine of the catalog ``path``."""
    return SqliteEngine(path)


def create(path: Path, fill: Callable[[sa.Connection], None]) -> Path:
    """Create a database, whose tables ``fill`` creates. It appears complete. Returns the path of the catalog."""
    return creation.create(path, fill)
