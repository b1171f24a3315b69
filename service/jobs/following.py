"""Follow what other servers publish: generations and bundles of an index with several directories."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from copysight.errors import CopysightError, PublisherBusy
from copysight.index import Index
from service.runtime import threads

log = logging.getLogger("copysight.follow")
SECONDS = 1.0
"""Time between two looks."""


async def run_following(index: Index, pool: ThreadPoolExecutor) -> None:
    """Offer what is here, then follow. Runs until it is cancelled; ends at once if the index has one directory."""
    if not index.published.is_shared:
        return
    offered = False
    while True:
        try:
            offered = offered or await threads.run(pool, _offer, index)
            if await threads.run(pool, index.published.follow):
                log.info("generation", extra={"fields": {"published": index.layout.live()}})
        except CopysightError as error:  # of S3 or the catalog, which may be back at the next look
            log.warning("the published generation cannot be followed: %s", error.message)
        except Exception:
            log.exception("the published generation cannot be followed")
        await asyncio.sleep(SECONDS)


def _offer(index: Index) -> bool:
    """Publish what was made before the index had several directories. Returns whether that is done."""
    try:
        with index.publishing():
            index.published.offer(index.catalog.model())
    except PublisherBusy:  # which publishes
        return False
    return True
