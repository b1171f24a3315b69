"""What happens without a request: webhooks are delivered, items expire, the requests of keys are stored."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from copysight.catalog.engines.engine import Lock
from copysight.errors import CatalogUnavailable, NotWritable
from copysight.index import Index
from service.auth.meter import KeyMeter
from service.jobs.webhooks import WebhookSender
from service.runtime import threads

log = logging.getLogger("copysight.moderation")
SECONDS, FLUSH_SECONDS, PRUNE_SECONDS = 0.25, 5.0, 3600.0
KEPT_SECONDS = 30 * 86400.0
"""Events that are delivered, or given up, can be replayed for this time."""


@dataclass
class ModerationClock:
    """Does what is due, four times a second.

    One server of an index at a time has its ``turn`` to deliver, or events of an item could overtake each other.
    """

    index: Index
    sender: WebhookSender
    meter: KeyMeter
    pool: ThreadPoolExecutor
    turn: Lock
    _flushed: float = 0.0
    _pruned: float = 0.0

    async def run(self) -> None:
        """Run until it is cancelled."""
        while True:
            try:
                await self._tick(time.monotonic())
            except (NotWritable, CatalogUnavailable) as error:
                log.debug("nothing is delivered from an index that cannot be written: %s", error.message)
            except Exception:
                # The cause, for example a full disk, may be gone at the next time.
                log.exception("webhooks and expiries could not be handled")
            await asyncio.sleep(SECONDS)

    async def close(self) -> None:
        """Stop sending, and store what was counted."""
        await self.sender.close()
        self.turn.release()
        try:
            await threads.run(self.pool, self.meter.flush)
        except (NotWritable, CatalogUnavailable) as error:
            log.warning("the requests of keys were not stored: %s", error.message)

    async def _tick(self, now: float) -> None:
        if now - self._flushed >= FLUSH_SECONDS:
            self._flushed = now
            await threads.run(self.pool, self.meter.flush)
        if not await threads.run(self.pool, self.turn.acquire):
            return
        await threads.run(self.pool, self.index.catalog.reviews.tick)
        if now - self._pruned >= PRUNE_SECONDS:
            self._pruned = now
            await threads.run(self.pool, self.index.catalog.outbox.prune, time.time() - KEPT_SECONDS)
        await self.sender.start_due()
