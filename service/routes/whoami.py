"""``GET /whoami``: the API key of this request. ``GET /keys``: all keys and their usage."""

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.auth.keys import Key
from service.auth.meter import day_of
from service.queries import search_answers
from service.routes.scopes import ADMIN, READ
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["health"])


@router.get("/whoami", dependencies=[READ])
async def whoami(request: Request) -> Response:
    """Name and scope of the request's API key, when it expires, its quota, and its requests of today.

    A server without keys returns the scope `admin`.
    """
    state: State = request.app.state.copysight
    key: Key | None = request.state.key
    if key is None:
        return search_answers.json({"name": None, "scope": "admin", "expires": None, "quota": None, "today": None})
    about = {name: getattr(key, name) for name in ("name", "scope", "expires", "quota")}
    return search_answers.json(about | {"today": state.meter.today(key.id)})


@router.get("/keys", dependencies=[ADMIN])
async def keys(request: Request) -> Response:
    """All API keys with their usage, the oldest first; the keys themselves are not stored. Days are in UTC."""
    state: State = request.app.state.copysight
    return search_answers.json({"keys": await threads.run(state.searchers, _all, state)})


def _all(state: State) -> list[dict[str, Any]]:
    usage = state.index.catalog.usage.read(day_of(time.time()))
    return [_json(state, one, usage.get(one.id)) for one in (state.keys.all() if state.keys else [])]


def _json(state: State, key: Key, used: Any) -> dict[str, Any]:
    about = {name: getattr(key, name) for name in ("id", "name", "scope", "created", "expires", "quota")}
    today = state.meter.today(key.id)
    earlier = used.total - used.today if used else 0
    return about | {"today": today, "total": earlier + today, "latest": used.latest if used else None}
