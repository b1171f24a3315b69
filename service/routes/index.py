"""``/index`` and ``/jobs``: status, rebuild, reload, rollback; progress of jobs."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Request
from starlette.responses import Response

from copysight.index import generations, rollback
from service.http import forwarded
from service.intake.uploads import check_fields
from service.queries import search_answers
from service.routes.scopes import ADMIN, READ
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["index"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


def only(*known: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses unknown fields of a JSON body: a misspelt one would start another action."""

    async def check(request: Request) -> None:
        with suppress(ValueError):  # FastAPI names what is not valid JSON
            given = json.loads(await request.body() or b"null")
            if isinstance(given, dict):
                check_fields(given, known)

    return check


@router.get("/index", dependencies=[READ])
async def status(request: Request) -> Response:
    """Status of the index: generation, model, counts, index type, measured recall, calibration."""
    state: State = request.app.state.copysight
    return search_answers.json(await threads.run(state.searchers, _status, state))


@router.post("/index/rebuild", dependencies=[ADMIN, Depends(only("bundle", "allow_missing"))], status_code=202)
async def rebuild(
    request: Request,
    bundle: Annotated[
        str | None, Body(description="Re-embed all pictures with this bundle: a directory on the server's disk.")
    ] = None,
    allow_missing: Annotated[
        bool, Body(strict=True, description="With `bundle`: leave out items whose original is missing.")
    ] = False,
) -> Response:
    """Start a process that builds and publishes a new generation, and return its job. If one runs, return its job.

    With `bundle`, every picture is first embedded again from its original. The old bundle answers meanwhile.
    """
    state: State = request.app.state.copysight
    job = await threads.run(state.searchers, state.rebuilder.start, bundle, allow_missing)
    note = state.index.catalog.audit.note
    await threads.run(state.searchers, note, "index.rebuild", {"job": job.id, "bundle": bundle})
    return search_answers.json(asdict(job), 202, {"Location": forwarded.address(request, f"/jobs/{job.id}")})


@router.post("/index/reload", dependencies=[ADMIN])
async def reload(request: Request) -> Response:
    """Load the live generation and wait for it. The service also loads it by itself soon after it is published."""
    state: State = request.app.state.copysight
    await threads.run(state.searchers, state.index.reload)
    return search_answers.json(await threads.run(state.searchers, _status, state))


@router.post("/index/rollback", dependencies=[ADMIN, Depends(only("to"))])
async def back(request: Request, to: Annotated[str | None, Body(embed=True, examples=["000006"])] = None) -> Response:
    """Make the previous generation live again, or the one that `{"to": …}` names."""
    state: State = request.app.state.copysight
    await threads.run(state.searchers, rollback, state.index, to)
    await threads.run(state.searchers, state.index.catalog.audit.note, "index.rollback", {"to": to})
    await threads.run(state.searchers, state.index.reload)
    return search_answers.json(await threads.run(state.searchers, _status, state))


@router.get("/jobs", dependencies=[READ])
async def jobs(request: Request) -> Response:
    """The latest jobs."""
    state: State = request.app.state.copysight
    found = await threads.run(state.searchers, state.index.catalog.jobs.list, 50)
    return search_answers.json({"jobs": [asdict(job) for job in found]})


@router.get("/jobs/{number}", dependencies=[READ])
async def job(request: Request, number: Number) -> Response:
    """A job and its progress."""
    state: State = request.app.state.copysight
    return search_answers.json(asdict(await threads.run(state.searchers, state.index.catalog.jobs.get, number)))


def _status(state: State) -> dict[str, Any]:
    snapshot = state.index.snapshot()
    found = {effort: one.to_json() for effort, one in snapshot.judge.calibrations.items()}
    about = {"name": snapshot.bundle.name, "dimension": snapshot.bundle.dimension}
    about |= {"attention": snapshot.bundle.attention is not None, "prototypes": snapshot.bundle.prototypes is not None}
    about |= {"objects": snapshot.bundle.any_size, "explanations": snapshot.bundle.contributions is not None}
    return asdict(state.index.status()) | {
        "generations": [asdict(one) for one in generations(state.index)],
        "bundle": about,
        "queries": asdict(state.models.choice(snapshot.bundle, snapshot.variant)),
        "collections": state.index.catalog.collections(),
        "fields": state.index.catalog.fields.names(),
        "calibration": found or None,
        "verdicts": vars(snapshot.judge.verdicts),
    }
