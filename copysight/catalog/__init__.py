"""The catalog: source of truth of a collection."""

from copysight.catalog.catalog import Catalog
from copysight.catalog.models import Supply
from copysight.catalog.records import Added, Changes, Item, Job, NewItem, Vectors

__all__ = ["Added", "Catalog", "Changes", "Item", "Job", "NewItem", "Supply", "Vectors"]
