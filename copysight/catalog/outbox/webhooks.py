"""Webhooks: addresses that hear of events, and the secrets that sign what is sent to them."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from copysight.catalog.outbox.events import TYPES
from copysight.catalog.outbox.tables import webhooks
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.system import storable

PREFIX = "whsec_"
SECRET_BYTES, LEAST_SECRET, MOST_SECRET = 32, 24, 64
LONGEST_URL, LONGEST_NOTE, MOST_WEBHOOKS = 2048, 4096, 100


@dataclass(frozen=True)
class WebhookTarget:
    """Where events go: a ``url`` (http or https), and the ``types`` of events; empty: all.

    Raises ``InvalidArgument``.
    """

    url: str
    types: tuple[str, ...] = ()
    enabled: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        storable.check_text(self.url, "url", LONGEST_URL)
        parts = _parts(self.url)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise InvalidArgument("got a url of a webhook that is not http(s)://host/path without a password")
        if unknown := [one for one in self.types if one not in TYPES]:
            raise InvalidArgument(f"got the event type {unknown[0]!r:.80}; known are {', '.join(TYPES)}")
        if self.note:
            storable.check_text(self.note, "note", LONGEST_NOTE)


@dataclass(frozen=True)
class Webhook:
    """A stored webhook. ``fault``: why the service disabled it. ``created``: seconds since the epoch."""

    id: int
    target: WebhookTarget
    secret: str
    fault: str | None
    created: float
    author: str | None


def new_secret() -> str:
    """A new secret in the form of Standard Webhooks: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def secret_bytes(secret: str) -> bytes:
    """The key of a secret. Raises ``InvalidArgument`` unless it is ``whsec_`` and base64 of 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("got a secret that is not base64; write whsec_ and base64 of 24 to 64 bytes") from error
    if not secret.startswith(PREFIX) or not LEAST_SECRET <= len(key) <= MOST_SECRET:
        raise InvalidArgument(f"got a secret of {len(key)} bytes; write {PREFIX} and base64 of 24 to 64 bytes")
    return key


def signature(secret: str, name: str, timestamp: int, body: str) -> str:
    """The signature ``v1,BASE64``: HMAC-SHA256 over ``id.timestamp.body`` (Standard Webhooks, section "Signature")."""
    content = f"{name}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret_bytes(secret), content, hashlib.sha256).digest()).decode()


def put(connection: sa.Connection, target: WebhookTarget, secret: str, now: float, author: str | None) -> Webhook:
    """Store a new webhook. Raises ``InvalidArgument`` if there are too many."""
    if len(read(connection)) >= MOST_WEBHOOKS:
        raise InvalidArgument(f"there are {MOST_WEBHOOKS} webhooks, the most an index may have; delete one")
    row = _columns(target) | {"secret": secret, "fault": None, "created": now, "author": author}
    number = connection.execute(webhooks.insert().values(**row)).inserted_primary_key[0]  # type: ignore[index]
    return Webhook(int(number), target, secret, None, now, author)


def change(connection: sa.Connection, number: int, changes: Mapping[str, Any]) -> Webhook:
    """Change fields of a webhook's target. Raises ``ItemNotFound``, ``InvalidArgument``."""
    before = get(connection, number)
    after = replace(before, target=replace(before.target, **changes), fault=None)
    connection.execute(webhooks.update().where(webhooks.c.id == number).values(**_columns(after.target), fault=None))
    return after


def disable(connection: sa.Connection, number: int, fault: str) -> None:
    """Disable a webhook for a reason."""
    connection.execute(webhooks.update().where(webhooks.c.id == number).values(enabled=False, fault=fault))


def delete(connection: sa.Connection, number: int) -> None:
    """Delete a webhook and its deliveries. Raises ``ItemNotFound``."""
    get(connection, number)
    connection.execute(webhooks.delete().where(webhooks.c.id == number))


def get(connection: sa.Connection, number: int) -> Webhook:
    """One webhook. Raises ``ItemNotFound``."""
    row = connection.execute(sa.select(webhooks).where(webhooks.c.id == number)).first()
    if row is None:
        raise ItemNotFound(f"there is no webhook {number}; GET /webhooks lists all", id=number)
    return _webhook(row)


def read(connection: sa.Connection) -> list[Webhook]:
    """All webhooks by number."""
    return [_webhook(row) for row in connection.execute(sa.select(webhooks).order_by(webhooks.c.id))]


def _webhook(row: sa.Row[Any]) -> Webhook:
    target = WebhookTarget(row.url, tuple(row.types), row.enabled, row.note)
    return Webhook(row.id, target, row.secret, row.fault, row.created, row.author)


def _columns(target: WebhookTarget) -> dict[str, Any]:
    return asdict(target) | {"types": list(target.types)}


def _parts(url: str) -> Any:
    try:
        return urlsplit(url)
    except ValueError:
        return None
