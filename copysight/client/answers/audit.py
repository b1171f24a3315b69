"""Webhooks and their deliveries, the audit trail, and the usage of keys: what administrators read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.client.answers.parsing import from_json


@dataclass(frozen=True)
class Webhook:
    """A webhook: its ``url``, the ``types`` of events (empty: all), and how many are ``pending`` and ``failed``.

    ``secret`` signs what is sent; only the answer to its creation has it. ``fault``: why the service disabled it.
    """

    id: int
    url: str
    types: Sequence[str]
    enabled: bool
    note: str
    fault: str | None
    created: float
    author: str | None
    pending: int
    failed: int
    secret: str | None = None


@dataclass(frozen=True)
class Delivery:
    """The delivery of an ``event`` to a webhook: its ``state`` is `pending`, `delivered` or `failed`."""

    event: int
    name: str
    type: str
    item: int
    made: float
    state: str
    attempts: int
    due: float
    tried: float | None
    status: int | None
    error: str | None


@dataclass(frozen=True)
class Deliveries:
    """A page of deliveries. ``next`` is the ``after`` of the next page; None on the last page."""

    deliveries: Sequence[Delivery]
    next: int | None


@dataclass(frozen=True)
class AuditEntry:
    """What somebody did: ``by`` the key with this name, from an ``address``, to ``items`` (ranges of ids)."""

    id: int
    time: str
    by: str | None
    address: str | None
    action: str
    items: Sequence[Sequence[int]]
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True)
class AuditPage:
    """A page of the audit trail. ``next`` is the ``after`` of the next page; None on the last page."""

    entries: Sequence[AuditEntry]
    next: int | None


@dataclass(frozen=True)
class KeyState:
    """An API key: when it expires, its requests of ``today`` and in ``total``, and its ``quota`` of a day."""

    id: str
    name: str
    scope: str
    created: float
    expires: float | None
    quota: int | None
    today: int
    total: int
    latest: float | None


def webhooks(given: Mapping[str, Any]) -> list[Webhook]:
    """Parse the response of ``GET /webhooks``."""
    return [from_json(Webhook, one) for one in given["webhooks"]]


def deliveries(given: Mapping[str, Any]) -> Deliveries:
    """Parse the response of ``GET /webhooks/{number}/deliveries``."""
    return Deliveries([from_json(Delivery, one) for one in given["deliveries"]], given["next"])


def audit(given: Mapping[str, Any]) -> AuditPage:
    """Parse the response of ``GET /audit``."""
    return AuditPage([from_json(AuditEntry, one) for one in given["entries"]], given["next"])


def keys(given: Mapping[str, Any]) -> list[KeyState]:
    """Parse the response of ``GET /keys``."""
    return [from_json(KeyState, one) for one in given["keys"]]
