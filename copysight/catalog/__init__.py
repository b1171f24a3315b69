"""The catalog: the SQLite database that is the source of truth of an index."""

from copysight.catalog.catalog import Catalog
from copysight.catalog.models import VectorSupply
from copysight.catalog.records import Added, Changes, Item, Job, NewItem, Vectors

__all__ = ["Added", "Catalog", "Changes", "Item", "Job", "NewItem", "VectorSupply", "Vectors"]
