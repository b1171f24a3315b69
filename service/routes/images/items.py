"""``/images``: add, list, change and delete the items of the live collection."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from copysight.catalog import Item
from copysight.catalog.limits import check_metadata
from copysight.catalog.moderation.entries import LONGEST_LABEL, MOST_LABELS, UNNOTED, Entry
from copysight.catalog.moderation.entries import State as EntryState
from copysight.catalog.moderation.lists import LONGEST_NOTE
from copysight.catalog.reading import Chosen, Order
from copysight.errors import InvalidArgument, ItemNotFound, KeyConflict
from copysight.index import Snapshot
from copysight.model.embedder import Embedder
from copysight.system import storable
from service.collection import adding, bulk, matching, model_change
from service.collection.adding import NewPicture
from service.collection.bulk import BulkOptions
from service.collection.matching import Uploaded
from service.http import forwarded
from service.intake import uploads
from service.queries import inference, search_answers, search_options
from service.routes.scopes import READ, WRITE, key_name
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/images", tags=["collection"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Sort = Literal["id", "key", "bytes", "pixels", "taken"]
MOST_TEXT = 200
ONE = "a call adds exactly one; to add many, send NDJSON (content type application/x-ndjson)"
MATCH = (
    "Also answer what the picture matches, before it is added: `matches` as in `/search`, `lists` and `decision`. It "
    "is added whatever the decision is."
)
TEXT = {"type": "string"}
ABOUT = {"key": TEXT, "collection": TEXT, "metadata": TEXT | {"description": "A JSON object."}}
ABOUT = ABOUT | {"replace": TEXT, "match": TEXT}
ADD_BODY = uploads.body_of(ABOUT, {name: {"description": "Like the query parameter."} for name in ABOUT})
ADD_BODY["requestBody"]["content"][bulk.MEDIA_TYPE] = {
    "schema": {"description": "One JSON object on each line: `image`, `key`, `collection`, `metadata`."},
    "example": f'{{"image": "{uploads.EXAMPLE}", "key": "a/b.jpg"}}\n',
}


class ChangeItem(BaseModel):
    """What changes about an item; fields that are not sent stay as they are."""

    model_config = ConfigDict(extra="forbid")
    metadata: Annotated[dict[str, Any], Field(description="Replaces the metadata.", examples=[{"album": "2026"}])] = {}
    disabled: Annotated[bool, Field(strict=True, description="No search finds the item.")] = False
    expires: Annotated[
        float | None, Field(gt=0, lt=1e12, description="No search finds it from then on, in seconds since the epoch.")
    ] = None
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    labels: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL)]], Field(max_length=MOST_LABELS)
    ] = []
    quarantined: Annotated[
        bool, Field(strict=True, description="Its matches with lists decide nothing; false lets it out of quarantine.")
    ] = False


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
    match: bool = Query(False, description=MATCH),
) -> Response:
    """Add one picture. When the answer arrives, it is stored durably and every search finds it.

    `key`, `collection`, `metadata`, `replace` and `match` may also be fields of the body. The status is 201 for a new
    item, 200 if the key exists with the same bytes, and 409 if it exists with other bytes.

    To add any number of pictures, send `application/x-ndjson` with a line `{"image": …, "key": …}` for each picture.
    The answer (200) has a line `{"line", "status", "item"}` or `{"line", "error"}` for each, in order, and starts
    while the body still arrives.
    """
    state: State = request.app.state.copysight
    if bulk.is_bulk(request.scope):
        snapshot = await threads.run(state.searchers, state.index.snapshot)
        return bulk.respond(state, request, BulkOptions(collection, replace, match, key_name(request)), snapshot)
    body = await uploads.pictures(request, state.settings, (*adding.FIELDS, "replace", "match"))
    if len(body.pictures) != 1:
        raise InvalidArgument(f"got {len(body.pictures)} pictures; {ONE}")
    overwrite = search_options.parse_flag("replace", body.fields.get("replace"), replace)
    matched = search_options.parse_flag("match", body.fields.get("match"), match)
    fields = {"key": key, "collection": collection, "metadata": metadata} | dict(body.fields)
    new = NewPicture.of(body.pictures[0], fields)

    async def embed_and_add(snapshot: Snapshot, embedder: Embedder) -> Uploaded:
        features = await inference.infer_one(state, embedder, new.picture, ("embedding",))
        upload = partial(matching.add, state, snapshot, [features], [new], overwrite, matched, key_name(request))
        [uploaded] = await threads.run(state.searchers, upload)
        return uploaded

    uploaded = await model_change.with_live_model(state, embed_and_add)
    added = uploaded.added
    if isinstance(added, KeyConflict):
        raise added
    more = {"status": added.status} | uploaded.matched
    response = await _item_response(state, added.item, 201 if added.status == "created" else 200, more)
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
    state: Annotated[
        EntryState | None, Query(description="Only items in this state; not with `key` or `filter`.")
    ] = None,
    text: str | None = Query(
        None,
        min_length=1,
        max_length=MOST_TEXT,
        description="Only items with this in their key, in upper or lower case.",
    ),
    after: int = Query(
        0, ge=0, le=2**63 - 1, description="Only items with a greater id: the `next` of the page before."
    ),
    sort: Annotated[Sort | None, Query(description="Order of the items; without `after`.")] = None,
    descending: bool = Query(False, description="The largest or latest first; with `sort`."),
    offset: int = Query(0, ge=0, le=2**31, description="Leave out as many items; with `sort`."),
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """Items in the order of their ids, one page at a time. `next` is null on the last page.

    With `sort`, they are in that order, items without the value last. Then `offset` cuts the pages, `next` is null,
    and `total` is the number of all these items.
    """
    service: State = request.app.state.copysight
    chosen = Chosen(collection, key, search_options.parse_filter(filter), text)
    _check_listing(chosen, state, sort, descending, offset, after)
    order = None if sort is None else Order(sort, descending, offset)
    found = await threads.run(service.searchers, _page, service, chosen, after, limit, order, state)
    snapshot = await threads.run(service.searchers, service.index.snapshot)
    following = found[-1]["id"] if order is None and len(found) == limit else None
    answer = {**search_answers.index_fields(snapshot), "items": found, "next": following}
    if order is not None:
        answer["total"] = await threads.run(service.searchers, service.index.catalog.total, chosen)
    return search_answers.json(answer)


@router.delete("", dependencies=[WRITE])
async def delete_many(
    request: Request,
    key: str | None = Query(None, description="The item of this key, in the collection `default` unless given."),
    collection: str | None = Query(None, description="Only items of this collection."),
    filter: str | None = Query(  # noqa: A002 - the API's word
        None, description='All items that match, as JSON, for example {"prefix": ["key", "2026/"]}.'
    ),
    dry_run: bool = Query(False, description="Only count them."),
) -> Response:
    """Delete the item of a `key`, or all items that match a `filter`; one of both is required.

    They are gone from every answer when this one arrives. `deleted`: how many.
    """
    state: State = request.app.state.copysight
    wanted = search_options.parse_filter(filter)
    if (key is None) == (wanted is None):
        raise InvalidArgument("got not exactly one of `key` and `filter`; a call deletes what one of them names")
    found = await threads.run(state.searchers, _deleted, state, key, collection, wanted, dry_run)
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    return search_answers.json(search_answers.index_fields(snapshot) | {"deleted": found, "dry_run": dry_run})


@router.get("/{number}", dependencies=[READ])
async def one(request: Request, number: Number) -> Response:
    """An item."""
    state: State = request.app.state.copysight
    return await _item_response(state, await threads.run(state.searchers, state.index.catalog.get, number))


@router.patch("/{number}", dependencies=[WRITE])
async def change(request: Request, number: Number, changes: ChangeItem) -> Response:
    """Replace an item's metadata; disable it, or let it expire, without deleting it; note something about it.

    A disabled or expired item is in no answer of a search. An item in quarantine is, and decides nothing.
    """
    state: State = request.app.state.copysight
    given = changes.model_dump(exclude_unset=True)
    if not given:
        raise InvalidArgument(
            'got no \'metadata\' and nothing else to change; send for example {"metadata": {"album": "2026"}}'
        )
    changed = await threads.run(state.searchers, _changed, state, number, given, key_name(request))
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


async def _item_response(state: State, item: Item, code: int = 200, more: Mapping[str, Any] | None = None) -> Response:
    """An item with the model and the generation. ``sequence`` is the item's, not the index's."""
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    [found] = await threads.run(state.searchers, _with_entries, state, [item])
    return search_answers.json(search_answers.index_fields(snapshot) | found | dict(more or {}), code)


def _check_listing(
    chosen: Chosen, state: EntryState | None, sort: Sort | None, descending: bool, offset: int, after: int
) -> None:
    """Refuse parameters that exclude each other. Raises ``InvalidArgument``."""
    if chosen.text is not None:
        storable.check_text(chosen.text, "text", MOST_TEXT)
    if state is not None and (chosen.key, chosen.filter, chosen.text, sort) != (None, None, None, None):
        raise InvalidArgument("got `state` with `key`, `filter`, `text` or `sort`; send it alone, or with `collection`")
    if sort is None and (descending or offset):
        raise InvalidArgument("got `descending` or `offset` without `sort`; say what to sort by")
    if sort is not None and after:
        raise InvalidArgument("got `after` with `sort`; pages of sorted items are cut by `offset`")


def _page(
    state: State, chosen: Chosen, after: int, limit: int, order: Order | None, of: EntryState | None
) -> list[dict[str, Any]]:
    catalog = state.index.catalog
    if of is None:
        found = catalog.page(chosen.collection, after, limit, chosen.key, chosen.filter, chosen.text, order)
        return _with_entries(state, found)
    items = catalog.get_many(catalog.moderation.page(of, chosen.collection, after, limit))
    return _with_entries(state, [items[number] for number in sorted(items)])


def _deleted(state: State, key: str | None, collection: str | None, wanted: object | None, dry_run: bool) -> int:
    catalog = state.index.catalog
    if key is not None:
        item = catalog.find("default" if collection is None else collection, key)
        ids = [] if item is None else [item.id]
    else:
        ids = catalog.matching(wanted, collection).tolist()
    return len(ids) if dry_run else int(state.index.delete(ids))


def _changed(state: State, number: int, given: Mapping[str, Any], author: str | None) -> Item:
    catalog = state.index.catalog
    noted = {name: value for name, value in given.items() if name != "metadata"}
    if "metadata" in given:
        check_metadata(given["metadata"])  # before anything is changed
    if noted:
        catalog.moderation.change(
            number, noted | ({"labels": tuple(noted["labels"])} if "labels" in noted else {}), author
        )
    return catalog.set_metadata(number, given["metadata"]) if "metadata" in given else catalog.get(number)


def _with_entries(state: State, items: Sequence[Item]) -> list[dict[str, Any]]:
    """Items as JSON, with what is noted about them."""
    entries = state.index.catalog.moderation.entries(one.id for one in items)
    return [search_answers.item(one) | _entry(entries.get(one.id, UNNOTED)) for one in items]


def _entry(entry: Entry) -> dict[str, Any]:
    names = ("disabled", "expires", "note", "quarantined", "reason")
    return {name: getattr(entry, name) for name in names} | {"labels": list(entry.labels)}
