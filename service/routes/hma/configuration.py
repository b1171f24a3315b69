"""``/c/…`` besides banks, and ``/status``: signal and content types, and exchanges, of which there are none."""

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from copysight.errors import InvalidArgument, ItemNotFound
from service.hma import signals
from service.queries import search_answers
from service.routes.hma import matching
from service.routes.scopes import ADMIN_LENIENT, READ_LENIENT

router = APIRouter(tags=["hma"])
NONE = "this server exchanges no hashes with others; add contents to banks"


@router.get("/status")
async def alive() -> Response:
    """The text that HMA's health checks read."""
    return PlainTextResponse("I-AM-ALIVE")


@router.get("/c/signal_type", dependencies=[READ_LENIENT])
async def signal_types() -> Response:
    """The signal types; all are on."""
    return search_answers.json([{"name": name, "enabled_ratio": 1.0} for name in signals.TYPES])


@router.get("/c/signal_type/index", dependencies=[READ_LENIENT])
async def signal_index(request: Request, signal_type: str | None = None) -> Response:
    """The number of contents by signal type. The index is never out of date."""
    sizes = await matching.sizes(request)
    kinds = signals.TYPES if signal_type is None else (signals.check_type(signal_type),)
    about = {"index_out_of_date": False, "newest_db_item": -1, "index_built_to": -1}
    return search_answers.json({kind: {"db_size": sizes[kind], "index_size": sizes[kind]} | about for kind in kinds})


@router.get("/c/content_type", dependencies=[READ_LENIENT])
async def content_types() -> Response:
    """The content types: pictures."""
    return search_answers.json([{"name": signals.CONTENT_TYPE, "enabled": True}])


@router.get("/c/exchanges/apis", dependencies=[READ_LENIENT])
async def exchange_apis() -> Response:
    """No kinds of exchanges."""
    return search_answers.json([])


@router.get("/c/exchanges", dependencies=[READ_LENIENT])
async def exchanges() -> Response:
    """No exchanges."""
    return search_answers.json([])


@router.post("/c/exchanges", dependencies=[ADMIN_LENIENT])
async def create_exchange() -> Response:
    """Refused: there are no exchanges."""
    raise InvalidArgument(f"got an exchange; {NONE}")


@router.get("/c/exchanges/api/{name}", dependencies=[READ_LENIENT])
@router.post("/c/exchanges/api/{name}", dependencies=[ADMIN_LENIENT])
@router.get("/c/exchanges/api/{name}/schema", dependencies=[READ_LENIENT])
@router.get("/c/exchange/{name}", dependencies=[READ_LENIENT])
@router.put("/c/exchange/{name}", dependencies=[ADMIN_LENIENT])
@router.get("/c/exchange/{name}/status", dependencies=[READ_LENIENT])
async def exchange(name: str) -> Response:
    """Not found: there are no exchanges."""
    raise ItemNotFound(f"exchange {name[:80]!r} not found; {NONE}")
