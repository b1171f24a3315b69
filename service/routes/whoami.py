"""``GET /whoami``: what the key of this request may do."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.queries import search_answers
from service.routes import scopes
from service.routes.scopes import READ

router = APIRouter(tags=["health"])


@router.get("/whoami", dependencies=[READ])
async def whoami(request: Request) -> Response:
    """Name and scope of the key at hand; a server that asks for none says `admin` to everybody."""
    key = await scopes.caller(request)
    return search_answers.json({"name": key.name if key else None, "scope": key.scope if key else "admin"})
