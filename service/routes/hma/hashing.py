"""``/h/hash``: the signals of a picture, in HMA's shapes."""

from collections.abc import Sequence

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.hma import signals
from service.hma.facade import Facade
from service.intake import uploads
from service.intake.url_fetch import PictureSource, Url
from service.queries import search_answers
from service.routes.scopes import READ_LENIENT

router = APIRouter(prefix="/h", tags=["hma"])


@router.get("/hash", dependencies=[READ_LENIENT])
async def of_url(
    request: Request, url: str = Query(), content_type: str | None = None, types: str | None = None
) -> Response:
    """The signals of a picture that is fetched, by type. The rules of fetching apply."""
    signals.check_content(content_type)
    return await _hashed(request, Url(url), signals.wanted(types))


@router.post("/hash", dependencies=[READ_LENIENT])
async def of_file(request: Request, types: str | None = None) -> Response:
    """The signals of a picture in the multipart field `photo`, by type."""
    data, _ = await uploads.photo(request, request.app.state.copysight.settings, signals.CONTENT_TYPE)
    return await _hashed(request, data, signals.wanted(types))


async def _hashed(request: Request, picture: PictureSource, kinds: Sequence[str]) -> Response:
    facade: Facade = request.app.state.hma
    return search_answers.json(await facade.hashes(await facade.features(picture), tuple(kinds)))
