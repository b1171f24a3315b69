"""The application: settings in, a complete ASGI application out."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from copysight.index import Index
from copysight.model.embedder import first_provider
from service.gateway import Entrance
from service.http import problems
from service.http.headers import Cors
from service.inference.batching import Batcher
from service.inference.models import Models
from service.intake import decoding
from service.intake.url_fetch import Allowed, Fetcher
from service.jobs.rebuilds import Rebuilder, keep
from service.queries import inference
from service.routes import (
    attention,
    clusters,
    embed,
    health,
    images,
    index,
    openai,
    openapi_examples,
    page,
    scopes,
    search,
    whoami,
)
from service.runtime.metrics import Metrics
from service.runtime.settings import Settings
from service.state import State

IN_TIME = 0.5
"""Share of the deadline within which the queue must be expected to be answered; the rest is for the error of that."""
ROUTERS = (embed, search, clusters, attention, images, index, health, whoami, openai, page)


def create_app(settings: Settings, opened: Index) -> ASGIApp:
    """An application that serves one opened index, which it closes when it ends."""
    metrics, allowed = Metrics(), Allowed.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state = _state(settings, opened, metrics, allowed)
        snapshot = opened.snapshot()
        # Before anybody is answered: the precision is chosen, the memory of a call is there, and a pace is known.
        await inference.infer_one(state, state.embedder(snapshot), health.picture(), ("embedding",))
        app.state.copysight = state
        schedule = asyncio.create_task(
            keep(state.rebuilder, state.searchers, settings.rebuild_every * 3600, settings.rebuild_when_due)
        )
        yield
        schedule.cancel()
        await state.batcher.close()
        if state.decoders is not None:
            state.decoders.shutdown()
        state.searchers.shutdown()
        state.decoding.close()
        await state.fetcher.close()
        opened.close()

    app = FastAPI(
        title="Copysight",
        version=version("copysight"),
        description="Have we seen this picture before, where in it, and how sure are we?",
        lifespan=lifespan,
        responses=problems.PROBLEMS,
        exception_handlers=problems.HANDLERS,
        docs_url=None,
        redoc_url=None,
    )
    for module in ROUTERS:
        app.include_router(module.router)
    routes = [route for module in ROUTERS for route in module.router.routes]
    openapi_examples.describe(app)
    if scopes.asks(settings):
        scopes.describe(app, routes)
    entrance = Entrance(app, routes, settings, metrics)
    return Cors(entrance, settings.origins) if settings.origins else entrance


def _state(settings: Settings, opened: Index, metrics: Metrics, allowed: Allowed) -> State:
    """All pools and threads are sized here, and nowhere else.

    A model call uses one thread; as many run at a time as there are processors. On a CPU a batch buys no throughput, so
    a runner takes one picture, decodes it and runs the model while it is warm in the caches, and leaves the others to
    the other runners; a GPU wants large batches, one caller, and threads that decode beside it.
    """
    provider = first_provider(opened.bundle) if settings.provider == "auto" else settings.provider
    gpu = provider == "cuda"
    runners = settings.runners or (1 if gpu else settings.cores)
    decoders = settings.decoders or (settings.cores if gpu else 0)
    return State(
        settings=settings,
        index=opened,
        models=Models(provider, settings.variant),
        batcher=Batcher(
            runners, settings.batch or (64 if gpu else 1), settings.queue, metrics, settings.deadline * IN_TIME
        ),
        fetcher=Fetcher(allowed, settings.max_bytes, settings.max_body, settings.fetch_seconds),
        decoding=decoding.of(settings, decoders or runners),
        decoders=ThreadPoolExecutor(decoders, thread_name_prefix="decode") if decoders else None,
        few=decoders,
        searchers=ThreadPoolExecutor(max(4, settings.cores), thread_name_prefix="search"),
        metrics=metrics,
        rebuilder=Rebuilder(settings.index, opened),
        keys=scopes.opened(settings),
    )
