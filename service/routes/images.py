"""The live collection: add, list, change, delete; thumbnails."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from copysight.catalog import Added, Item
from copysight.errors import InvalidArgument, ItemNotFound, KeyConflict
from copysight.index import Snapshot
from copysight.model.embedder import Embedder
from service.collection import adding, bulk, model_change
from service.collection.adding import Wish
from service.collection.bulk import Plan
from service.intake import uploads
from service.queries import inference, search_answers
from service.routes.scopes import READ, WRITE
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/images", tags=["collection"])
THUMBNAIL_AGE = "private, max-age=60, stale-while-revalidate=86400"
"""Shown at once for a day, and asked for again by its ETag meanwhile: what was replaced is not shown for long."""
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
ONE = "one is added by a call; send many as lines of JSON, application/x-ndjson"
METADATA = Body(embed=True, examples=[{"album": "2026"}])
TEXT = {"type": "string"}
ABOUT = {"key": TEXT, "collection": TEXT, "metadata": TEXT | {"description": "A JSON object."}, "replace": TEXT}
ADD_BODY = uploads.body_of(ABOUT, {name: {"description": "As in the address."} for name in ABOUT})
ADD_BODY["requestBody"]["content"][bulk.MEDIA_TYPE] = {
    "schema": {"description": "One JSON object a line: `image`, `key`, `collection`, `metadata`."},
    "example": f'{{"image": "{uploads.EXAMPLE}", "key": "a/b.jpg"}}\n',
}


@router.post(
    "",
    dependencies=[WRITE],
    status_code=201,
    openapi_extra=ADD_BODY,
    responses={
        200: {"description": "It was there; or NDJSON.", "content": {"application/json": {}, bulk.MEDIA_TYPE: {}}}
    },
)
async def add(
    request: Request,
    key: str | None = Query(None, description="Name of the item within its collection; default: its sha256."),
    collection: str = Query("default", min_length=1, max_length=200),
    metadata: str | None = Query(None, description="A JSON object."),
    replace: bool = Query(False, description="Take over a key that other bytes hold."),
) -> Response:
    """Add one picture; it is durable, and found by every search, when the answer arrives.

    `key`, `collection`, `metadata` and `replace` may also be fields of the form. 201 for a new item, 200 when the same
    key holds the same bytes already, 409 when it holds others.

    Many at once as `application/x-ndjson`: a line `{"image": …, "key": …}` for each picture, of any number; the answer
    (200) has a line `{"line", "status", "item"}` or `{"line", "error"}` for each, in order, while the body comes in.
    """
    state: State = request.app.state.copysight
    if bulk.asked(request.scope):
        snapshot = await threads.on(state.searchers, state.index.snapshot)
        return bulk.answer(state, request, Plan(collection, replace), snapshot)
    body = await uploads.pictures(request, state.settings, (*adding.FIELDS, "replace"))
    if len(body.pictures) != 1:
        raise InvalidArgument(f"got {len(body.pictures)} pictures; {ONE}")
    over = adding.replaces(body.fields.get("replace"), replace)
    fields = {"key": key, "collection": collection, "metadata": metadata} | dict(body.fields)
    wish = Wish.of(body.pictures[0], fields)

    async def embed_and_add(snapshot: Snapshot, embedder: Embedder) -> Added:
        seen = await inference.infer_one(state, embedder, wish.picture, ("embedding",))
        [added] = await threads.on(state.searchers, adding.store, state, snapshot, [seen], [wish], over)
        if isinstance(added, KeyConflict):
            raise added
        return added

    added = await model_change.live(state, embed_and_add)
    answered = await _answer(state, added.item, 201 if added.status == "created" else 200, status=added.status)
    answered.headers["Location"] = f"/images/{added.item.id}"
    return answered


@router.get("", dependencies=[READ])
async def listing(
    request: Request,
    key: str | None = Query(None, description="Only the items of this key."),
    collection: str | None = Query(None, description="Only this collection."),
    after: int = Query(0, ge=0, le=2**63 - 1, description="Items whose id is greater: the page's `next`."),
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """Items in the order of their ids, a page at a time; `next` is null on the last one."""
    state: State = request.app.state.copysight
    found = await threads.on(state.searchers, state.index.catalog.page, collection, after, limit, key)
    snapshot = await threads.on(state.searchers, state.index.snapshot)
    following = found[-1].id if len(found) == limit else None
    return search_answers.json(
        {**search_answers.head(snapshot), "items": [search_answers.item(one) for one in found], "next": following}
    )


@router.get("/{number}", dependencies=[READ])
async def one(request: Request, number: Number) -> Response:
    """An item."""
    state: State = request.app.state.copysight
    return await _answer(state, await threads.on(state.searchers, state.index.catalog.get, number))


@router.patch("/{number}", dependencies=[WRITE])
async def change(request: Request, number: Number, metadata: Annotated[dict[str, Any], METADATA]) -> Response:
    """Replace an item's metadata."""
    state: State = request.app.state.copysight
    changed = await threads.on(state.searchers, state.index.catalog.set_metadata, number, metadata)
    return await _answer(state, changed)


@router.delete("/{number}", dependencies=[WRITE], status_code=204)
async def delete(request: Request, number: Number) -> Response:
    """Delete an item; it is gone from every answer when this one arrives."""
    state: State = request.app.state.copysight
    if not await threads.on(state.searchers, state.index.delete, [number]):
        raise ItemNotFound(f"there is no item {number}; perhaps it was deleted", id=number)
    return Response(
        status_code=204, headers=search_answers.stamp(await threads.on(state.searchers, state.index.snapshot))
    )


@router.get(
    "/{number}/thumbnail",
    dependencies=[READ],
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "The ETag is still that of the picture."}},
)
async def thumbnail(request: Request, number: Number) -> Response:
    """A small JPEG of the picture; it never changes under its ETag. Another picture may take the item's place."""
    state: State = request.app.state.copysight
    item = await threads.on(state.searchers, state.index.catalog.get, number)
    headers = {"ETag": f'"{item.sha256}"', "Cache-Control": THUMBNAIL_AGE}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    data = await threads.on(state.searchers, state.index.blobs.thumbnail, item.sha256)
    if data is None:
        raise ItemNotFound(f"item {number} has no thumbnail", id=number)
    return Response(data, headers=headers, media_type="image/jpeg")


async def _answer(state: State, item: Item, code: int = 200, **more: str) -> Response:
    """An item, with the model and the generation; its ``sequence`` is its own."""
    snapshot = await threads.on(state.searchers, state.index.snapshot)
    return search_answers.json(search_answers.head(snapshot) | search_answers.item(item) | more, code)
