"""A collection made searchable: generations, delta, tombstones, snapshots."""

from copysight.index.asking import Hit
from copysight.index.backup import backup, restore
from copysight.index.exchange import Imported, export_items, import_items
from copysight.index.gate import Gate
from copysight.index.generation import Generation
from copysight.index.history import Kept, generations, prune, rollback
from copysight.index.index import Index, Status
from copysight.index.publish import publish
from copysight.index.search import Match, Parameters
from copysight.index.snapshot import Cluster, Membership, Snapshot
from copysight.index.verify import remarks, verify

__all__ = [
    "Cluster",
    "Gate",
    "Generation",
    "Hit",
    "Imported",
    "Index",
    "Kept",
    "Match",
    "Membership",
    "Parameters",
    "Snapshot",
    "Status",
    "backup",
    "export_items",
    "generations",
    "import_items",
    "prune",
    "publish",
    "remarks",
    "restore",
    "rollback",
    "verify",
]
