"""The live collection: add, list, change, delete; thumbnails."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from copysight.catalog import Added, NewItem
from copysight.embedder import Embedder
from copysight.errors import InvalidArgument, ItemNotFound, KeyConflict
from copysight.index import Snapshot
from service import answers, following, threads, uploads, vision
from service.access import READ, WRITE
from service.state import State
from service.vision import Seen

router = APIRouter(prefix="/images", tags=["collection"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
LONGEST_KEY = 1024


@router.post("", dependencies=[WRITE], status_code=201, openapi_extra=uploads.PICTURES_BODY)
async def add(
    request: Request,
    key: str | None = Query(None, description="Name of the item within its collection; default: its sha256."),
    collection: str = Query("default", min_length=1, max_length=200),
    metadata: str | None = Query(None, description="A JSON object."),
    replace: bool = Query(False, description="Take over a key that other bytes hold."),
) -> Response:
    """Add one picture; it is durable, and found by every search, when the answer arrives.

    `key`, `collection` and `metadata` may also be fields of the form. 201 for a new item, 200 when the same key holds
    the same bytes already, 409 when it holds others.
    """
    state: State = request.app.state.copysight
    body = await uploads.pictures(request, state.settings)
    if len(body.pictures) != 1:
        raise InvalidArgument(f"got {len(body.pictures)} pictures; one is added at a time")
    fields = {"key": key, "collection": collection, "metadata": metadata} | dict(body.fields)

    async def embed_and_add(snapshot: Snapshot, embedder: Embedder) -> Added:
        seen = await vision.look_at_one(state, embedder, body.pictures[0], ("embedding",))
        return await threads.on(state.searchers, _add, state, snapshot, seen, fields, replace)

    added = await following.live(state, embed_and_add)
    return answers.json(answers.item(added.item), 201 if added.status == "created" else 200)


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
    following = found[-1].id if len(found) == limit else None
    return answers.json({"items": [answers.item(one) for one in found], "next": following})


@router.get("/{number}", dependencies=[READ])
async def one(request: Request, number: Number) -> Response:
    """An item."""
    state: State = request.app.state.copysight
    return answers.json(answers.item(await threads.on(state.searchers, state.index.catalog.get, number)))


@router.patch("/{number}", dependencies=[WRITE])
async def change(request: Request, number: Number, metadata: Annotated[dict[str, Any], Body(embed=True)]) -> Response:
    """Replace an item's metadata."""
    state: State = request.app.state.copysight
    changed = await threads.on(state.searchers, state.index.catalog.set_metadata, number, metadata)
    return answers.json(answers.item(changed))


@router.delete("/{number}", dependencies=[WRITE], status_code=204)
async def delete(request: Request, number: Number) -> Response:
    """Delete an item; it is gone from every answer when this one arrives."""
    state: State = request.app.state.copysight
    if not await threads.on(state.searchers, state.index.delete, [number]):
        raise ItemNotFound(f"there is no item {number}; perhaps it was deleted", id=number)
    return Response(status_code=204)


@router.get("/{number}/thumbnail", dependencies=[READ])
async def thumbnail(request: Request, number: Number) -> Response:
    """A small JPEG of the picture; it never changes under its ETag."""
    state: State = request.app.state.copysight
    item = await threads.on(state.searchers, state.index.catalog.get, number)
    headers = {"ETag": f'"{item.sha256}"', "Cache-Control": "private, max-age=86400"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    data = await threads.on(state.searchers, state.index.blobs.thumbnail, item.sha256)
    if data is None:
        raise ItemNotFound(f"item {number} has no thumbnail", id=number)
    return Response(data, headers=headers, media_type="image/jpeg")


def _add(state: State, snapshot: Snapshot, seen: Seen, fields: Mapping[str, Any], replace: bool) -> Added:
    blobs, picture = state.index.blobs, seen.picture
    new = NewItem(
        key=_key(fields["key"] or seen.sha256),
        sha256=seen.sha256,
        width=picture.width,
        height=picture.height,
        vector=np.asarray(seen.features.embedding),
        collection=str(fields["collection"]),
        metadata=_metadata(fields["metadata"]),
    )
    # Blobs are durable before the catalog names them, and held against a delete of the same bytes meanwhile.
    with blobs.hold():
        blobs.put_original(seen.data)
        blobs.put_thumbnail(seen.sha256, picture.pixels)
        [added] = state.index.catalog.add([new], model=snapshot.bundle.id, replace=replace)
    if isinstance(added, KeyConflict):
        raise added
    return added


def _key(given: object) -> str:
    key = str(given)
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidArgument(f"got a key of {len(key)} letters; needed are 1 to {LONGEST_KEY} printable ones")
    return key


def _metadata(given: object) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        found = orjson.loads(given) if isinstance(given, str) else given
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got metadata that is no JSON ({error}); write a JSON object") from error
    if not isinstance(found, dict):
        raise InvalidArgument('got metadata that is no JSON object; write for example {"album": "2026"}')
    return found
