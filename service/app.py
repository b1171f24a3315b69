"""Create the application: from settings and an opened index to a complete ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp

from copysight.duplicates.review.listing import Review
from copysight.index import Index
from copysight.model.embedder import first_provider
from service.auth.meter import KeyMeter
from service.gateway import Gateway
from service.hma import facade
from service.http import problems
from service.http.headers import Cors
from service.inference.batching import Batcher
from service.inference.models import Models
from service.intake import checked_address, decoding
from service.intake.url_fetch import Fetcher, FetchPolicy
from service.jobs.duplicates import DuplicateSearches
from service.jobs.following import run_following
from service.jobs.moderation_clock import ModerationClock
from service.jobs.rebuilds import Rebuilder, run_schedule
from service.jobs.watch import FolderWatch, run_watch
from service.jobs.webhooks import WebhookSender
from service.moderation.looking_back import QueryMemory
from service.moderation.rules import CurrentRules
from service.queries import inference
from service.routes import (
    attention,
    clusters,
    duplicates,
    embed,
    health,
    index,
    openai,
    openapi_examples,
    page,
    plane,
    scopes,
    search,
    whoami,
)
from service.routes.hma import banks, configuration, hashing
from service.routes.hma import matching as hma_matching
from service.routes.images import files, items
from service.routes.moderation import audit, decisions, lists, reviews, webhooks
from service.runtime import telemetry, threads
from service.runtime.metrics import Metrics
from service.runtime.settings import Settings
from service.state import State

MAX_WAIT_SHARE = 0.5
"""Share of the deadline that a picture may wait in the queue, by estimate. The rest is a margin for wrong estimates."""
ROUTERS = (
    embed, search, clusters, plane, attention, items, files, lists, decisions, reviews, webhooks, audit,
    duplicates, index, health, whoami, openai, page,
)  # fmt: skip
HMA_ROUTERS = (hashing, hma_matching, banks, configuration)
"""Routes that are there if `hma` is set."""


def create_app(settings: Settings, opened: Index) -> ASGIApp:
    """An application that serves one opened index. It closes the index when it ends."""
    metrics, policy = Metrics(telemetry.create(settings.otlp)), FetchPolicy.of(settings)
    facade.check(settings.hma)
    routers = (*HMA_ROUTERS, *ROUTERS) if settings.hma else ROUTERS

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened.catalog.follow()
        state = _state(settings, opened, metrics, policy)
        snapshot = opened.snapshot()
        # Warm-up before the first request: it chooses the precision, allocates the model's memory, measures the pace.
        await inference.infer_one(state, state.embedder(snapshot), health.picture(), ("embedding",))
        app.state.copysight, app.state.hma = state, facade.create(state)
        schedule = asyncio.create_task(
            run_schedule(state.rebuilder, state.searchers, settings.rebuild_every * 3600, settings.rebuild_when_due)
        )
        watch = FolderWatch(settings.index, Path(settings.watch)) if settings.watch else None
        watching = asyncio.create_task(run_watch(watch, state.searchers, settings.watch_seconds)) if watch else None
        following = asyncio.create_task(run_following(opened, state.searchers))
        clock = ModerationClock(opened, state.webhooks, state.meter, state.searchers, opened.catalog.lock("webhooks"))
        ticking = asyncio.create_task(clock.run())
        yield
        ticking.cancel()
        following.cancel()
        await clock.close()
        schedule.cancel()
        if watching is not None:
            watching.cancel()
        await state.batcher.close()
        if state.decoders is not None:
            state.decoders.shutdown()
        await threads.run(state.searchers, state.memory.flush)
        state.searchers.shutdown()
        state.decoder.close()
        await state.fetcher.close()
        if metrics.telemetry is not None:
            await asyncio.to_thread(metrics.telemetry.close)
        opened.close()

    app = FastAPI(
        title="Copysight",
        version=version("copysight"),
        description="Have we seen this picture before, where in it, and how sure are we?",
        lifespan=lifespan,
        responses=problems.PROBLEMS,
        exception_handlers=problems.HANDLERS | {Exception: problems.on_unexpected},
        docs_url=None,
        redoc_url=None,
    )
    for module in routers:
        app.include_router(module.router)
    routes = [route for module in routers for route in module.router.routes]
    openapi_examples.describe(app)
    if scopes.keys_required(settings):
        scopes.describe(app, routes)
    gateway = Gateway(app, routes, settings, metrics)
    return Cors(gateway, settings.origins) if settings.origins else gateway


def _state(settings: Settings, opened: Index, metrics: Metrics, policy: FetchPolicy) -> State:
    """Create all objects of the service. All pools and threads get their sizes here, and nowhere else.

    A model call uses one thread, and as many calls run at a time as there are processors. On a CPU, batching does not
    raise throughput: each runner takes one picture, decodes it, and runs the model while the picture is in the caches;
    the other pictures stay for the other runners. A GPU needs large batches, one runner, and separate decoding threads.
    """
    provider = first_provider(opened.bundle) if settings.provider == "auto" else settings.provider
    gpu = provider == "cuda"
    runners = settings.runners or (1 if gpu else settings.cores)
    decoders = settings.decoders or (settings.cores if gpu else 0)
    max_wait = settings.deadline * MAX_WAIT_SHARE
    searchers = ThreadPoolExecutor(max(4, settings.cores), thread_name_prefix="search")
    private = checked_address.networks(settings.webhook_networks, "COPYSIGHT_WEBHOOK_NETWORKS")
    return State(
        settings=settings,
        index=opened,
        models=Models(provider, settings.variant),
        batcher=Batcher(runners, settings.batch or (64 if gpu else 1), settings.queue, metrics, max_wait),
        fetcher=Fetcher(policy, settings.max_bytes, settings.max_body, settings.fetch_seconds),
        decoder=decoding.create(settings, decoders or runners),
        decoders=ThreadPoolExecutor(decoders, thread_name_prefix="decode") if decoders else None,
        decode_ahead=decoders,
        searchers=searchers,
        metrics=metrics,
        rebuilder=Rebuilder(settings.index, opened),
        duplicates=DuplicateSearches(settings.index, opened),
        review=Review(opened.catalog, opened.layout.duplicates),
        rules=CurrentRules(opened.catalog.moderation),
        memory=QueryMemory(opened.catalog.recent, settings.remember_seconds),
        keys=scopes.open_keys(settings),
        meter=KeyMeter(opened.catalog.usage),
        webhooks=WebhookSender(opened.catalog.outbox, searchers, metrics, private, settings.webhook_retry_seconds),
    )
