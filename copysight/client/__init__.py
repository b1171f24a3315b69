"""A client of the service: ``Client`` and, with the same methods to be awaited, ``AsyncClient``."""

from copysight.client.answers import (
    Added,
    Caller,
    Cluster,
    Comparison,
    Embeddings,
    Fault,
    Found,
    Index,
    Item,
    Job,
    Maps,
    Match,
    Membership,
    Page,
    Prototype,
)
from copysight.client.asynchronous import AsyncClient
from copysight.client.calls import New, Options
from copysight.client.errors import ClientError, Refused, ServerUnreachable
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
    "Embeddings",
    "Fault",
    "Found",
    "Index",
    "Item",
    "Job",
    "Maps",
    "Match",
    "Membership",
    "New",
    "Options",
    "Page",
    "Prototype",
    "Refused",
    "Retries",
    "ServerUnreachable",
    "Source",
]
