"""``GET /whoami``: name and scope of the API key of this request."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.queries import search_answers
from service.routes import scopes
from service.routes.scopes import READ

router = APIRouter(tags=["health"])


@router.get("/whoami", dependencies=[READ])
async def whoami(request: Request) -> Response:
    """Name and scope of the request's API key. A server without keys returns the scope `admin`."""
    key = await scopes.current_key(request)
    return search_answers.json({"name": key.name if key else None, "scope": key.scope if key else "admin"})
