"""Typed responses of the server. Unknown fields of a newer server are ignored."""

from copysight.client.answers.copies import Decided, Duplicate, DuplicateGroup, Duplicates, duplicates
from copysight.client.answers.features import (
    Cluster,
    Embeddings,
    Maps,
    Membership,
    Prototype,
    embeddings,
    maps,
    memberships,
)
from copysight.client.answers.items import Added, Group, Item, Members, Page, added, members, page
from copysight.client.answers.matches import Comparison, Explanation, Found, Match, comparison, found
from copysight.client.answers.parsing import Fault, Float, fault, from_json
from copysight.client.answers.state import Caller, Index, Job, Ready, index

__all__ = [
    "Added",
    "Caller",
    "Cluster",
    "Comparison",
    "Decided",
    "Duplicate",
    "DuplicateGroup",
    "Duplicates",
    "Embeddings",
    "Explanation",
    "Fault",
    "Float",
    "Found",
    "Group",
    "Index",
    "Item",
    "Job",
    "Maps",
    "Match",
    "Members",
    "Membership",
    "Page",
    "Prototype",
    "Ready",
    "added",
    "comparison",
    "duplicates",
    "embeddings",
    "fault",
    "found",
    "from_json",
    "index",
    "maps",
    "members",
    "memberships",
    "page",
]
