"""``GET /audit``: who did what to which item, when, and from which address."""

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from copysight.catalog.audit.audit import AuditFilter
from service.queries import search_answers
from service.routes.scopes import ADMIN
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["moderation"])
MOST = 2**63 - 1
ACTION = "Only this action, such as `item.delete`, or all that begin with it: `item`."


@router.get("/audit", dependencies=[ADMIN])
async def audit(
    request: Request,
    action: str | None = Query(None, max_length=64, description=ACTION),
    by: str | None = Query(None, max_length=255, description="Only what the key with this name did."),
    item: int | None = Query(None, ge=1, le=MOST, description="Only about this item."),
    since: float | None = Query(None, ge=0, le=1e12, description="From then on, in seconds since the epoch."),
    until: float | None = Query(None, ge=0, le=1e12, description="Before then, in seconds since the epoch."),
    order: str = Query("newest", pattern="^(newest|oldest)$"),
    after: int = Query(0, ge=0, le=MOST, description="The `next` of the page before."),
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """The audit trail, the newest entries first, one page at a time. `next` is null on the last page.

    `items` are ranges of ids, both ends included. `hash` is over the hash before and the entry; the command
    `copysight audit verify` checks the whole chain.
    """
    state: State = request.app.state.copysight
    wanted = AuditFilter(action, by, item, since, until)
    page = state.index.catalog.audit.page
    found = await threads.run(state.searchers, page, wanted, after, limit, order == "newest")
    following = found[-1]["id"] if len(found) == limit else None
    return search_answers.json({"entries": found, "next": following})
