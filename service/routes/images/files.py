"""``/images/{id}/original`` and ``/thumbnail``: the files of an item. Their ETags change when it is replaced."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from copysight.catalog import Item
from copysight.errors import ItemNotFound
from copysight.pictures.formats import signatures
from service.http import etags
from service.routes.images.items import Number
from service.routes.scopes import READ, WRITE
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/images", tags=["collection"])
MEDIA_TYPES = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp",
    "TIFF": "image/tiff", "AVIF": "image/avif", "HEIC": "image/heic",
}  # fmt: skip
UNKNOWN_TYPE = "application/octet-stream"
ORIGINAL_AGE = "private, no-cache"
THUMBNAIL_AGE = "private, max-age=60, stale-while-revalidate=86400"
"""A browser may show a cached thumbnail for a day while it revalidates by ETag, so a replaced one disappears soon."""


@router.get(
    "/{number}/original",
    dependencies=[WRITE],
    response_class=Response,
    responses={200: {"content": {"image/*": {}}}, 304: {"description": "The original has not changed."}},
)
async def original(request: Request, number: Number) -> Response:
    """The file as it was added, if the index keeps originals, or knows their place. A browser saves it."""
    state: State = request.app.state.copysight
    item = await threads.run(state.searchers, state.index.catalog.get, number)
    data = await threads.run(state.searchers, state.index.blobs.original, item.sha256, item.source)
    if data is None:
        raise ItemNotFound(
            f"item {number} has no original here; its index does not keep them, or the file moved", id=number
        )
    answer = _answer(request, item, data, MEDIA_TYPES.get(signatures.name(data) or "", UNKNOWN_TYPE), ORIGINAL_AGE)
    if answer.status_code == 200:
        # Never shown within a page of this site: a file may be a picture and a page at the same time.
        answer.headers["Content-Disposition"] = f'attachment; filename="{item.sha256}"'
    return answer


@router.get(
    "/{number}/thumbnail",
    dependencies=[READ],
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "The thumbnail has not changed."}},
)
async def thumbnail(request: Request, number: Number) -> Response:
    """A small JPEG of the picture. Its ETag changes when the picture is replaced."""
    state: State = request.app.state.copysight
    item = await threads.run(state.searchers, state.index.catalog.get, number)
    data = await threads.run(state.searchers, state.index.blobs.thumbnail, item.sha256)
    if data is None:
        raise ItemNotFound(f"item {number} has no thumbnail", id=number)
    return _answer(request, item, data, "image/jpeg", THUMBNAIL_AGE)


def _answer(request: Request, item: Item, data: bytes, media_type: str, age: str) -> Response:
    headers = {"ETag": f'"{item.sha256}"', "Cache-Control": age}
    if etags.unchanged(request, headers["ETag"]):
        return etags.not_modified(headers)
    return Response(data, headers=headers, media_type=media_type)
