"""``/c/bank…``: lists and their contents, in HMA's shapes."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from copysight.errors import InvalidArgument, ItemNotFound, KeyConflict
from copysight.index import Snapshot
from copysight.matching import pdq
from copysight.model.embedder import Embedder
from service.collection import matching, model_change
from service.collection.adding import NewPicture
from service.hma import banks, signals
from service.hma.facade import Facade
from service.hma.pdq_index import SIGNALS_FROM
from service.hma.signals import PDQ
from service.intake import uploads
from service.intake.url_fetch import PictureSource, Url
from service.queries import inference, search_answers
from service.queries.inference import PictureFeatures
from service.routes.scopes import ADMIN_LENIENT, READ_LENIENT, WRITE_LENIENT, key_name
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/c", tags=["hma"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
ENABLED, DISABLED = 1, 0


class NewBank(BaseModel):
    """A list to create. ``enabled_ratio``: the share of lookups that it answers."""

    name: str
    enabled_ratio: float | None = None
    enabled: bool | None = None


class ChangeBank(BaseModel):
    """What changes about a list."""

    name: str | None = None
    enabled_ratio: float | None = None
    enabled: bool | None = None


class ChangeContent(BaseModel):
    """0 turns a content off, 1 on."""

    disable_until_ts: int | None = None


@router.get("/banks", dependencies=[READ_LENIENT])
async def all_banks(request: Request) -> Response:
    """All lists."""
    return await _run(request, banks.all_banks)


@router.post("/banks", dependencies=[ADMIN_LENIENT], status_code=201)
async def create(request: Request, new: NewBank) -> Response:
    """Make a list of the policy `review`; `PUT /lists/{name}` changes that."""
    ratio = _ratio(new.enabled_ratio, new.enabled)
    return await _run(request, banks.create, new.name, 1.0 if ratio is None else ratio, key_name(request), status=201)


@router.get("/bank/{name}", dependencies=[READ_LENIENT])
async def bank(request: Request, name: str) -> Response:
    """One list."""
    return await _run(request, banks.bank, name)


@router.put("/bank/{name}", dependencies=[ADMIN_LENIENT])
async def update(request: Request, name: str, change: ChangeBank) -> Response:
    """Turn a list on or off, or answer a share of its lookups."""
    if change.name not in {None, name}:
        raise InvalidArgument("got another name; a bank keeps its name here: create a new one, and delete this one")
    ratio = _ratio(change.enabled_ratio, change.enabled)
    if ratio is None:
        return await _run(request, banks.bank, name)
    return await _run(request, banks.set_ratio, name, ratio, key_name(request))


@router.delete("/bank/{name}", dependencies=[ADMIN_LENIENT])
async def delete(request: Request, name: str) -> Response:
    """Delete a list with all its contents."""
    await _run(request, banks.delete, name, key_name(request))
    return search_answers.json({"message": "Done"})


@router.post("/bank/{name}/content", dependencies=[WRITE_LENIENT])
async def add(
    request: Request,
    name: str,
    url: str | None = None,
    content_type: str | None = None,
    types: str | None = None,
    content_id: str | None = None,
    content_uri: str | None = None,
    metadata: str | None = Query(None, description="A JSON object."),
) -> Response:
    """Add a picture, from a `url` or the multipart field `photo`. The answer has its id and its signals."""
    state: State = request.app.state.copysight
    facade: Facade = request.app.state.hma
    await threads.run(state.searchers, banks.policy, state, name)
    signals.check_content(content_type)
    fields: dict[str, Any] = {"content_id": content_id, "content_uri": content_uri, "metadata": metadata}
    if url:
        picture: PictureSource = Url(url)
    else:
        picture, more = await uploads.photo(request, state.settings, signals.CONTENT_TYPE)
        fields |= more
    about = banks.metadata(fields | {"metadata": uploads.json_object(fields.get("metadata"), "metadata")})
    new = NewPicture.of(picture, {"collection": name, "metadata": about})
    added, features = await _added(request, new)
    return search_answers.json({"id": added, "signals": await facade.hashes(features, tuple(signals.wanted(types)))})


@router.get("/bank/{name}/content/{number}", dependencies=[READ_LENIENT])
async def content(request: Request, name: str, number: Number, include_signals: bool = False) -> Response:
    """One content."""
    return await _run(request, _content, name, number, include_signals)


@router.put("/bank/{name}/content/{number}", dependencies=[WRITE_LENIENT])
async def change_content(request: Request, name: str, number: Number, change: ChangeContent) -> Response:
    """Turn a content off (0) or on (1)."""
    if change.disable_until_ts not in {None, DISABLED, ENABLED}:
        raise InvalidArgument(
            f"got disable_until_ts = {change.disable_until_ts}; this server knows {DISABLED} (off) and {ENABLED} (on)"
        )
    return await _run(request, _changed, name, number, change.disable_until_ts, key_name(request))


@router.delete("/bank/{name}/content/{number}", dependencies=[WRITE_LENIENT])
async def delete_content(request: Request, name: str, number: Number) -> Response:
    """Remove a content from a list. `deleted`: how many."""
    return await _run(request, _deleted, name, number)


@router.post("/bank/{name}/signal", dependencies=[WRITE_LENIENT])
async def add_signal(request: Request, name: str, values: dict[str, str]) -> Response:
    """Add a PDQ hash without a picture. The descriptor needs the picture: add that."""
    if set(values) != {PDQ}:
        raise InvalidArgument(f"got signals of the types {sorted(values)!r:.80}; without a picture, add one of pdq")
    return await _run(request, _signal_added, name, pdq.check(values[PDQ]))


async def _run(request: Request, work: Any, *arguments: Any, status: int = 200) -> Response:
    state: State = request.app.state.copysight
    return search_answers.json(await threads.run(state.searchers, work, state, *arguments), status)


def _ratio(ratio: float | None, enabled: bool | None) -> float | None:
    if ratio is not None:
        return ratio
    return None if enabled is None else float(enabled)


async def _added(request: Request, new: NewPicture) -> tuple[int, PictureFeatures]:
    """Add a picture. Returns the item's id and the features; the same bytes again are the same item."""
    state: State = request.app.state.copysight

    async def embed_and_add(snapshot: Snapshot, embedder: Embedder) -> tuple[int, PictureFeatures]:
        features = await inference.infer_one(state, embedder, new.picture, ("embedding",))
        work = partial(matching.add, state, snapshot, [features], [new], False, False, key_name(request))
        [uploaded] = await threads.run(state.searchers, work)
        if isinstance(uploaded.added, KeyConflict):
            raise uploaded.added
        return uploaded.added.item.id, features

    return await model_change.with_live_model(state, embed_and_add)


def _content(state: State, name: str, number: int, include_signals: bool) -> dict[str, Any]:
    about = banks.bank(state, name)
    found: Mapping[str, Any]
    if number > SIGNALS_FROM:
        signal = _signal(state, name, number)
        off, uri, known = signal.disabled, None, {PDQ: signal.value}
    else:
        item = banks.item(state, name, number)
        entry = state.index.catalog.moderation.entries([number]).get(number)
        off, uri = entry is not None and entry.disabled, item.metadata.get("content_uri")
        listed = state.index.catalog.hashes.on_lists([name], PDQ)
        value = next((one.value for one in listed if one.item == number), None)
        known = {PDQ: value} if value else {}
    found = {
        "id": number,
        "disable_until_ts": DISABLED if off else ENABLED,
        "collab_metadata": {},
        "original_media_uri": uri,
        "bank": about,
    }
    return dict(found) | ({"signals": known} if include_signals else {})


def _changed(state: State, name: str, number: int, until: int | None, author: str | None) -> dict[str, Any]:
    if until is not None and number > SIGNALS_FROM:
        _signal(state, name, number)
        state.index.catalog.hashes.disable_signal(number - SIGNALS_FROM, until == DISABLED)
    elif until is not None:
        banks.item(state, name, number)
        state.index.catalog.moderation.change(number, {"disabled": until == DISABLED}, author)
    return _content(state, name, number, False)


def _deleted(state: State, name: str, number: int) -> dict[str, int]:
    banks.policy(state, name)
    if number > SIGNALS_FROM:
        return {"deleted": state.index.catalog.hashes.delete_signals(name, number - SIGNALS_FROM)}
    try:
        banks.item(state, name, number)
    except ItemNotFound:
        return {"deleted": 0}
    return {"deleted": int(bool(state.index.delete([number])))}


def _signal_added(state: State, name: str, value: str) -> dict[str, Any]:
    banks.policy(state, name)
    number = state.index.catalog.hashes.add_signal(name, PDQ, value)
    return {"id": SIGNALS_FROM + number, "signals": {PDQ: value}}


def _signal(state: State, name: str, number: int) -> Any:
    for one in state.index.catalog.hashes.signals([name]):
        if SIGNALS_FROM + one.id == number:
            return one
    raise ItemNotFound(f"content '{number}' not found in bank {name[:80]!r}", id=number)
