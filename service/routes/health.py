"""``/healthz``, ``/readyz`` and ``/metrics``."""

import asyncio
import shutil
import time
from io import BytesIO

import numpy as np
from fastapi import APIRouter, Request
from PIL import Image
from starlette.responses import Response

from copysight.catalog.moderation.reviews import ReviewFilter
from copysight.errors import CopysightError, IndexFault
from service.http.problems import NotReady
from service.queries import inference, search_answers
from service.routes.scopes import READ
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["health"])
TIMEOUT_SECONDS = 5.0
"""Time limit of the readiness check."""


@router.get("/healthz")
async def healthz() -> Response:
    """The process is alive. Nothing else is checked, because a restart only helps a process that does not answer."""
    return search_answers.json({"status": "alive"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The service answers searches: this call sends a test picture through the model and the index.

    It also checks that the index is still where it was opened, and was not moved or replaced.

    `stale` means that the live generation is damaged and an older one answers; the service is still ready.
    """
    state: State = request.app.state.copysight
    began = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await threads.run(state.searchers, state.index.check_place)
            snapshot = await threads.run(state.searchers, state.index.snapshot)
            embedder = await threads.run(state.searchers, state.embedder, snapshot)
            features = await inference.infer_one(state, embedder, picture(), ("embedding",))
            await threads.run(state.searchers, snapshot.search, features.vector[None], 1)
            status = await threads.run(state.searchers, state.index.status)
    except TimeoutError as error:
        raise NotReady(
            f"the test picture took longer than {TIMEOUT_SECONDS:g} s; the model is overloaded or does not answer"
        ) from error
    except IndexFault as error:
        raise NotReady(error.message) from error
    except CopysightError as error:
        raise NotReady(f"the test picture failed: {error.message}") from error
    milliseconds = round((time.monotonic() - began) * 1000, 1)
    found = {"status": "stale" if status.fault else "ready", "detail": status.fault, "milliseconds": milliseconds}
    return search_answers.json(search_answers.index_fields(snapshot) | found)


@router.get("/metrics", dependencies=[READ], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Metrics in the Prometheus text format."""
    state: State = request.app.state.copysight
    status = await threads.run(state.searchers, state.index.status)
    latest = await threads.run(state.searchers, state.rebuilder.latest)
    disk = await threads.run(state.searchers, shutil.disk_usage, state.settings.index)
    await threads.run(state.searchers, _moderation, state)
    gauges = state.metrics.gauges
    choice = await threads.run(state.searchers, state.choice)
    for variant in choice.milliseconds.keys() | {choice.variant}:
        state.metrics.variant.labels(variant).set(variant == choice.variant)
    for variant, milliseconds in choice.milliseconds.items():
        state.metrics.variant_seconds.labels(variant).set(milliseconds / 1e3)
    gauges["index_fault"].set(status.fault is not None)
    gauges["index_disk_bytes"].set(disk.total)
    gauges["index_disk_free_bytes"].set(disk.free)
    gauges["rebuild_failed"].set(latest is not None and latest.state == "failed")
    gauges["queue_pictures"].set(state.batcher.length)
    gauges["index_items"].set(status.count)
    gauges["index_delta"].set(status.delta)
    gauges["index_tombstones"].set(status.tombstones)
    gauges["index_sequence"].set(status.sequence)
    if status.recall is not None:
        gauges["index_recall"].set(status.recall)
    if status.built_at is not None:
        gauges["index_age_seconds"].set(time.time() - status.built_at)
    return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _moderation(state: State) -> None:
    """Set the gauges of webhooks and reviews."""
    backlog, gauges = state.index.catalog.outbox.backlog(), state.metrics.gauges
    gauges["webhook_pending"].set(backlog.pending)
    gauges["webhook_failed"].set(backlog.failed)
    gauges["webhook_oldest_seconds"].set(0.0 if backlog.oldest is None else max(0.0, time.time() - backlog.oldest))
    gauges["reviews_open"].set(state.index.catalog.reviews.count(ReviewFilter()))


def picture() -> bytes:
    """A small JPEG for the readiness check and the warm-up."""
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(ramp).save(out, "JPEG")
    return out.getvalue()
