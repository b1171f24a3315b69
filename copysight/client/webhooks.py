"""Check what a webhook receives: its signature, its age, and the event in it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

TOLERANCE = 300.0
"""Seconds that a message may be old, or too new, so that nobody sends a recorded one again."""


class BadSignature(Exception):
    """A message is not one of this server's, or too old."""


@dataclass(frozen=True)
class WebhookEvent:
    """An event. ``id`` is the same if it comes again. ``data`` depends on the ``type``, such as `match.created`."""

    id: str
    type: str
    timestamp: str
    data: Mapping[str, Any]

    @classmethod
    def verified(
        cls,
        secret: str,
        headers: Mapping[str, str],
        body: bytes,
        tolerance: float = TOLERANCE,
        now: float | None = None,
    ) -> Self:
        """The event of a request to a webhook, whose ``secret`` `create_webhook` returned. Raises ``BadSignature``.

        The signature is that of Standard Webhooks: HMAC-SHA256 over ``id.timestamp.body``. Answer with a status of 2xx,
        and do nothing if you have handled the ``id`` before: an event may come more than once.
        """
        given = {name.lower(): value for name, value in headers.items()}
        try:
            name, sent = given["webhook-id"], int(given["webhook-timestamp"])
            signatures = [one[3:] for one in given["webhook-signature"].split() if one.startswith("v1,")]
        except (KeyError, ValueError) as error:
            raise BadSignature(f"the request has no usable header {error}") from error
        key = base64.b64decode(secret.removeprefix("whsec_"))
        made = base64.b64encode(hmac.new(key, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest())
        if not any(hmac.compare_digest(made, one.encode()) for one in signatures):
            raise BadSignature("the signature is not of this secret and body")
        if abs((time.time() if now is None else now) - sent) > tolerance:
            raise BadSignature(f"the message is of another time: {sent}")
        content = json.loads(body)
        return cls(name, content["type"], content["timestamp"], content["data"])
