"""The index as a whole: how it stands, rebuild, reload, rollback; jobs."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from starlette.responses import Response

from copysight.index import generations, rollback
from service.queries import search_answers
from service.routes.scopes import ADMIN, READ
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["index"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/index", dependencies=[READ])
async def status(request: Request) -> Response:
    """Generation, model, counts, index type, measured recall, calibration."""
    state: State = request.app.state.copysight
    return search_answers.json(await threads.on(state.searchers, _status, state))


@router.post("/index/rebuild", dependencies=[ADMIN], status_code=202)
async def rebuild(
    request: Request,
    bundle: Annotated[str | None, Body(description="Go over to this bundle of the server's disk.")] = None,
    allow_missing: Annotated[
        bool, Body(strict=True, description="With `bundle`: leave out what has no original.")
    ] = False,
) -> Response:
    """Start a process that builds and publishes a new generation; answers its job, or that of the one at work.

    With `bundle` every picture is embedded again from its original first, while the old bundle goes on answering.
    """
    state: State = request.app.state.copysight
    job = await threads.on(state.searchers, state.rebuilder.start, bundle, allow_missing)
    return search_answers.json(asdict(job), 202, {"Location": f"/jobs/{job.id}"})


@router.post("/index/reload", dependencies=[ADMIN])
async def reload(request: Request) -> Response:
    """Load the live generation now. It would be picked up anyway; this waits for it."""
    state: State = request.app.state.copysight
    await threads.on(state.searchers, state.index.reload)
    return search_answers.json(await threads.on(state.searchers, _status, state))


@router.post("/index/rollback", dependencies=[ADMIN])
async def back(request: Request, to: Annotated[str | None, Body(embed=True, examples=["000006"])] = None) -> Response:
    """Make the generation before the live one, or the one named by `{"to": …}`, live again."""
    state: State = request.app.state.copysight
    await threads.on(state.searchers, rollback, state.index, to)
    await threads.on(state.searchers, state.index.reload)
    return search_answers.json(await threads.on(state.searchers, _status, state))


@router.get("/jobs", dependencies=[READ])
async def jobs(request: Request) -> Response:
    """The latest jobs."""
    state: State = request.app.state.copysight
    found = await threads.on(state.searchers, state.index.catalog.jobs.list, 50)
    return search_answers.json({"jobs": [asdict(job) for job in found]})


@router.get("/jobs/{number}", dependencies=[READ])
async def job(request: Request, number: Number) -> Response:
    """A job and its progress."""
    state: State = request.app.state.copysight
    return search_answers.json(asdict(await threads.on(state.searchers, state.index.catalog.jobs.get, number)))


def _status(state: State) -> dict[str, Any]:
    snapshot = state.index.snapshot()
    found = {effort: one.to_json() for effort, one in snapshot.judge.calibrations.items()}
    about = {"name": snapshot.bundle.name, "dimension": snapshot.bundle.dimension}
    about |= {"attention": snapshot.bundle.attention is not None, "prototypes": snapshot.bundle.prototypes is not None}
    return asdict(state.index.status()) | {
        "generations": [asdict(one) for one in generations(state.index)],
        "bundle": about,
        "queries": asdict(state.models.choice(snapshot.bundle, snapshot.variant)),
        "collections": state.index.catalog.collections(),
        "fields": state.index.catalog.fields.names(),
        "calibration": found or None,
    }
