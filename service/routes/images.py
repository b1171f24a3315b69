"""``/images``: add, list, change and delete the items of the live collection; thumbnails."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from copysight.catalog import Added, Item
from copysight.errors import InvalidArgument, ItemNotFound, KeyConflict
from copysight.index import Snapshot
from copysight.model.embedder import Embedder
from service.collection import adding, bulk, model_change
from service.collection.adding import NewPicture
from service.collection.bulk import BulkOptions
from service.http import etags, forwarded
from service.intake import uploads
from service.queries import inference, search_answers, search_options
from service.routes.scopes import READ, WRITE
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/images", tags=["collection"])
THUMBNAIL_AGE = "private, max-age=60, stale-while-revalidate=86400"
"""A browser may show a cached thumbnail for a day while it revalidates by ETag, so a replaced one disappears soon."""
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
ONE = "a call adds exactly one; to add many, send NDJSON (content type application/x-ndjson)"
METADATA = Body(embed=True, examples=[{"album": "2026"}])
TEXT = {"type": "string"}
ABOUT = {"key": TEXT, "collection": TEXT, "metadata": TEXT | {"description": "A JSON object."}, "replace": TEXT}
ADD_BODY = uploads.body_of(ABOUT, {name: {"description": "Like the query parameter."} for name in ABOUT})
ADD_BODY["requestBody"]["content"][bulk.MEDIA_TYPE] = {
    "schema": {"description": "One JSON object on each line: `image`, `key`, `collection`, `metadata`."},
    "example": f'{{"image": "{uploads.EXAMPLE}", "key": "a/b.jpg"}}\n',
}


@router.post(
    "",
    dependencies=[WRITE],
    status_code=201,
    openapi_extra=ADD_BODY,
    responses={
        200: {
            "description": "The item existed already; or NDJSON.",
            "content": {"application/json": {}, bulk.MEDIA_TYPE: {}},
        }
    },
)
async def add(
    request: Request,
    key: str | None = Query(
        None, description="Name of the item, unique within its collection. Default: the sha256 of the file."
    ),
    collection: str = Query("default", min_length=1, max_length=200),
    metadata: str | None = Query(None, description="A JSON object."),
    replace: bool = Query(False, description="Replace the picture if the key exists with other bytes."),
) -> Response:
    """Add one picture. When the answer arrives, it is stored durably and every search finds it.

    `key`, `collection`, `metadata` and `replace` may also be fields of the body. The status is 201 for a new item, 200
    if the key exists with the same bytes, and 409 if it exists with other bytes.

    To add any number of pictures, send `application/x-ndjson` with a line `{"image": …, "key": …}` for each picture.
    The answer (200) has a line `{"line", "status", "item"}` or `{"line", "error"}` for each, in order, and starts
    while the body still arrives.
    """
    state: State = request.app.state.copysight
    if bulk.is_bulk(request.scope):
        snapshot = await threads.run(state.searchers, state.index.snapshot)
        return bulk.respond(state, request, BulkOptions(collection, replace), snapshot)
    body = await uploads.pictures(request, state.settings, (*adding.FIELDS, "replace"))
    if len(body.pictures) != 1:
        raise InvalidArgument(f"got {len(body.pictures)} pictures; {ONE}")
    overwrite = adding.parse_replace(body.fields.get("replace"), replace)
    fields = {"key": key, "collection": collection, "metadata": metadata} | dict(body.fields)
    new = NewPicture.of(body.pictures[0], fields)

    async def embed_and_add(snapshot: Snapshot, embedder: Embedder) -> Added:
        features = await inference.infer_one(state, embedder, new.picture, ("embedding",))
        [added] = await threads.run(state.searchers, adding.store, state, snapshot, [features], [new], overwrite)
        if isinstance(added, KeyConflict):
            raise added
        return added

    added = await model_change.with_live_model(state, embed_and_add)
    response = await _item_response(state, added.item, 201 if added.status == "created" else 200, status=added.status)
    response.headers["Location"] = forwarded.address(request, f"/images/{added.item.id}")
    return response


@router.get("", dependencies=[READ])
async def listing(
    request: Request,
    key: str | None = Query(None, description="Only items with this key."),
    collection: str | None = Query(None, description="Only this collection."),
    filter: str | None = Query(  # noqa: A002 - the API's word
        None, description='As JSON, for example {"prefix": ["key", "2026/"]}.'
    ),
    after: int = Query(
        0, ge=0, le=2**63 - 1, description="Only items with a greater id: the `next` of the page before."
    ),
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """Items in the order of their ids, one page at a time. `next` is null on the last page."""
    state: State = request.app.state.copysight
    wanted = search_options.parse_filter(filter)
    found = await threads.run(state.searchers, state.index.catalog.page, collection, after, limit, key, wanted)
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    following = found[-1].id if len(found) == limit else None
    return search_answers.json(
        {
            **search_answers.index_fields(snapshot),
            "items": [search_answers.item(one) for one in found],
            "next": following,
        }
    )


@router.get("/{number}", dependencies=[READ])
async def one(request: Request, number: Number) -> Response:
    """An item."""
    state: State = request.app.state.copysight
    return await _item_response(state, await threads.run(state.searchers, state.index.catalog.get, number))


@router.patch("/{number}", dependencies=[WRITE])
async def change(request: Request, number: Number, metadata: Annotated[dict[str, Any], METADATA]) -> Response:
    """Replace an item's metadata."""
    state: State = request.app.state.copysight
    changed = await threads.run(state.searchers, state.index.catalog.set_metadata, number, metadata)
    return await _item_response(state, changed)


@router.delete("/{number}", dependencies=[WRITE], status_code=204)
async def delete(request: Request, number: Number) -> Response:
    """Delete an item; it is gone from every answer when this one arrives."""
    state: State = request.app.state.copysight
    if not await threads.run(state.searchers, state.index.delete, [number]):
        raise ItemNotFound(f"there is no item {number}; perhaps it was deleted", id=number)
    return Response(
        status_code=204, headers=search_answers.index_headers(await threads.run(state.searchers, state.index.snapshot))
    )


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
    headers = {"ETag": f'"{item.sha256}"', "Cache-Control": THUMBNAIL_AGE}
    data = await threads.run(state.searchers, state.index.blobs.thumbnail, item.sha256)
    if data is None:
        raise ItemNotFound(f"item {number} has no thumbnail", id=number)
    if etags.unchanged(request, headers["ETag"]):
        return etags.not_modified(headers)
    return Response(data, headers=headers, media_type="image/jpeg")


async def _item_response(state: State, item: Item, code: int = 200, **more: str) -> Response:
    """An item with the model and the generation. ``sequence`` is the item's, not the index's."""
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    return search_answers.json(search_answers.index_fields(snapshot) | search_answers.item(item) | more, code)
