"""The Python client of the service: ``Client``, and ``AsyncClient`` with the same methods for asyncio."""

from copysight.client.answers import (
    Added,
    Caller,
    Cluster,
    Comparison,
    Decided,
    Duplicate,
    DuplicateGroup,
    Duplicates,
    Embeddings,
    Explanation,
    Fault,
    Found,
    Group,
    Index,
    Item,
    Job,
    Maps,
    Match,
    Members,
    Membership,
    Page,
    Prototype,
    Ready,
)
from copysight.client.asynchronous import AsyncClient
from copysight.client.errors import ClientError, Refused, ServerUnreachable
from copysight.client.options import DuplicateOptions, New, Options
from copysight.client.pictures import Source
from copysight.client.retries import Retries
from copysight.client.synchronous import Client

__all__ = [
    "Added",
    "AsyncClient",
    "Caller",
    "Client",
    "ClientError",
    "Cluster",
    "Comparison",
    "Decided",
    "Duplicate",
    "DuplicateGroup",
    "DuplicateOptions",
    "Duplicates",
    "Embeddings",
    "Explanation",
    "Fault",
    "Found",
    "Group",
    "Index",
    "Item",
    "Job",
    "Maps",
    "Match",
    "Members",
    "Membership",
    "New",
    "Options",
    "Page",
    "Prototype",
    "Ready",
    "Refused",
    "Retries",
    "ServerUnreachable",
    "Source",
]
