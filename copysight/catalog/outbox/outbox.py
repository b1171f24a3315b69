"""The outbox: webhooks and what must be delivered to them. Each change is one durable transaction."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from copysight.catalog.audit.note import note
from copysight.catalog.database import Database
from copysight.catalog.outbox import deliveries, events, webhooks
from copysight.catalog.outbox.deliveries import Attempt, Backlog, Delivery, Due, Replay, State
from copysight.catalog.outbox.webhooks import Webhook, WebhookTarget


class Outbox:
    """Webhooks, events and deliveries of one index. ``clock`` returns the time in seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self.clock = clock

    def create(self, target: WebhookTarget, secret: str | None = None, author: str | None = None) -> Webhook:
        """Create a webhook; it hears of what happens from now on. Raises ``InvalidArgument``."""
        secret = webhooks.new_secret() if secret is None else secret
        webhooks.secret_bytes(secret)
        with self._database.write() as connection:
            now = self.clock()
            made = webhooks.put(connection, target, secret, now, author)
            note(
                connection,
                "webhook.create",
                detail={"webhook": made.id} | _plain(asdict(target)),
                author=author,
                now=now,
            )
            return made

    def change(self, number: int, changes: Mapping[str, Any], author: str | None = None) -> Webhook:
        """Change fields of a webhook's target. Raises ``ItemNotFound``, ``InvalidArgument``."""
        with self._database.write() as connection:
            changed = webhooks.change(connection, number, changes)
            detail = {"webhook": number, "changes": _plain(changes)}
            note(connection, "webhook.change", detail=detail, author=author, now=self.clock())
            return changed

    def delete(self, number: int, author: str | None = None) -> None:
        """Delete a webhook, with what it was to hear. Raises ``ItemNotFound``."""
        with self._database.write() as connection:
            webhooks.delete(connection, number)
            note(connection, "webhook.delete", detail={"webhook": number}, author=author, now=self.clock())

    def get(self, number: int) -> Webhook:
        """One webhook. Raises ``ItemNotFound``."""
        with self._database.read() as connection:
            return webhooks.get(connection, number)

    def webhooks(self) -> list[Webhook]:
        """All webhooks by number."""
        with self._database.read() as connection:
            return webhooks.read(connection)

    def test(self, number: int) -> int:
        """Write an event for one webhook, to try it. Returns the event's number. Raises ``ItemNotFound``."""
        with self._database.write() as connection:
            webhooks.get(connection, number)
            return events.emit_to([number], connection, "webhook.test", None, {"webhook": number}, self.clock())

    def replay(self, number: int, wanted: Replay, author: str | None = None) -> int:
        """Deliver events to a webhook again. Returns their number. Raises ``ItemNotFound``."""
        with self._database.write() as connection:
            hook, now = webhooks.get(connection, number), self.clock()
            wanted = replace(wanted, types=wanted.types or hook.target.types)
            count = deliveries.replay(connection, number, wanted, now)
            detail = {"webhook": number, "events": count} | _plain(asdict(wanted))
            note(connection, "webhook.replay", detail=detail, author=author, now=now)
            return count

    def deliveries(self, number: int, state: State | None = None, after: int = 0, limit: int = 100) -> list[Delivery]:
        """At most ``limit`` deliveries to a webhook, by the numbers of their events. Raises ``ItemNotFound``."""
        with self._database.read() as connection:
            webhooks.get(connection, number)
            return deliveries.page(connection, number, state, after, limit)

    def backlog(self, number: int | None = None) -> Backlog:
        """What is pending and what failed, for one webhook or for all enabled ones."""
        with self._database.read() as connection:
            return deliveries.backlog(connection, number)

    # For the service that delivers

    def waiting(self) -> list[int]:
        """The webhooks to which something may have to be delivered now. Takes 20 us if nothing has."""
        return [int(row[0]) for row in self._database.rows(deliveries.ANY_DUE, now=self.clock())]

    def due(self, number: int, limit: int) -> list[Due]:
        """At most ``limit`` deliveries to a webhook that are due now, of different items."""
        with self._database.read() as connection:
            return deliveries.due(connection, number, self.clock(), limit)

    def record(self, attempts: Sequence[Attempt], disabled: Mapping[int, str] | None = None) -> None:
        """Note what came of attempts, and disable webhooks, by number, for a reason."""
        with self._database.write() as connection:
            now = self.clock()
            deliveries.record(connection, attempts, now)
            for number, fault in (disabled or {}).items():
                webhooks.disable(connection, number, fault)
                note(connection, "webhook.disable", detail={"webhook": number, "fault": fault}, now=now)

    def prune(self, before: float) -> int:
        """Delete events made before a time that no webhook waits for. Returns their number."""
        with self._database.write() as connection:
            return deliveries.prune(connection, before)


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
