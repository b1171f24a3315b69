"""A collection made searchable: generations, delta, tombstones, snapshots."""

from copysight.index.gate import Gate
from copysight.index.generation import Generation
from copysight.index.history import prune, rollback
from copysight.index.index import Index, Status
from copysight.index.publish import publish
from copysight.index.search import Match, Parameters
from copysight.index.snapshot import Cluster, Membership, Snapshot

__all__ = [
    "Cluster",
    "Gate",
    "Generation",
    "Index",
    "Match",
    "Membership",
    "Parameters",
    "Snapshot",
    "Status",
    "prune",
    "publish",
    "rollback",
]
