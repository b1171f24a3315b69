"""The index: search, publish, roll back, back up, export and verify a collection of pictures."""

from copysight.index.find_copies import Query, Selection, find_copies, judged, where
from copysight.index.generations.generation import Generation
from copysight.index.index import Index
from copysight.index.live.merge_views import Hit
from copysight.index.live.search import Match, Parameters
from copysight.index.live.snapshot import Cluster, Membership, Snapshot
from copysight.index.publishing.publish import publish
from copysight.index.publishing.publish_checks import Gate
from copysight.index.publishing.rollback import Kept, generations, prune, rollback
from copysight.index.status import Status
from copysight.index.transfer.transfer import Imported, export_items, import_items
from copysight.index.upkeep.backup import backup, restore
from copysight.index.upkeep.verify import remarks, verify

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
    "Query",
    "Selection",
    "Snapshot",
    "Status",
    "backup",
    "export_items",
    "find_copies",
    "generations",
    "import_items",
    "judged",
    "prune",
    "publish",
    "remarks",
    "restore",
    "rollback",
    "verify",
    "where",
]
