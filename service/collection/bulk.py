"""Many pictures in one request: a line of JSON for each, and for each a line of answer, in order, while it runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from copysight.catalog import Added
from copysight.errors import CopysightError, InvalidArgument, PictureError
from copysight.index import Snapshot
from copysight.model.embedder import Embedder
from service.collection import adding, model_change
from service.collection.adding import Wish
from service.http.problems import BodyTooLarge, DeadlineExceeded, Overloaded, item_error
from service.intake import uploads
from service.intake.ndjson import Inbox, Line, split
from service.queries import inference, search_answers
from service.queries.inference import Seen
from service.runtime import threads
from service.state import State

MEDIA_TYPE = "application/x-ndjson"
PAUSE = 0.1
FORM = 'a line is a JSON object such as {"image": "<base64 or data URI>", "key": "a/b.jpg"}'


@dataclass(frozen=True)
class Plan:
    """What holds for all lines: the collection of those that name none, and whether keys are taken over."""

    collection: str
    replace: bool


class Streamed(StreamingResponse):
    """Lines that are sent while the body still comes in: nobody else may read it, not even to see the client go."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as above
        """Send all lines."""
        await self.stream_response(send)


def asked(scope: Scope) -> bool:
    """Whether a request is one of lines."""
    if scope["method"] != "POST" or scope["path"] != "/images":
        return False
    return Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def answer(state: State, request: Request, plan: Plan, snapshot: Snapshot) -> Streamed:
    """Add the pictures of all lines; ``snapshot`` is that at the beginning.

    Lines that have come in by the time the former are stored are stored together, in one transaction. What has not
    been asked for yet stays with the sender.
    """
    headers = search_answers.stamp(snapshot)
    return Streamed(_results(state, request, plan), headers=headers, media_type=MEDIA_TYPE)


async def _results(state: State, request: Request, plan: Plan) -> AsyncIterator[bytes]:
    settings, inbox = state.settings, Inbox(state.settings.max_body)
    longest = settings.max_bytes * 4 // 3 + 2**17
    filling = asyncio.create_task(inbox.fill(split(request.stream(), longest, settings.deadline)))
    try:
        while lines := await inbox.take():
            for line, result in zip(lines, await _added(state, lines, plan), strict=True):
                yield orjson.dumps({"line": line.number} | result) + b"\n"
        await filling
    except ClientDisconnect:
        return
    except TimeoutError:
        error = DeadlineExceeded(
            f"no line came for {settings.deadline:g} s; what was answered is stored, send the rest"
        )
        yield orjson.dumps({"error": item_error(error)}) + b"\n"
    finally:
        filling.cancel()


async def _added(state: State, lines: Sequence[Line], plan: Plan) -> list[dict[str, Any]]:
    parsed = await threads.on(state.searchers, _parsed, lines, plan)
    good = [one for one in parsed if isinstance(one, Wish)]
    outcomes = iter(await _outcomes(state, good, plan) if good else [])
    return [_result(next(outcomes) if isinstance(one, Wish) else one) for one in parsed]


async def _outcomes(state: State, wishes: Sequence[Wish], plan: Plan) -> list[Added | CopysightError]:
    try:
        return await _patiently(state, wishes, plan)
    except CopysightError as error:
        if len(wishes) == 1:
            return [error]
        # One of them cannot be stored: alone, it harms no other.
        return [outcome for wish in wishes for outcome in await _outcomes(state, [wish], plan)]


async def _patiently(state: State, wishes: Sequence[Wish], plan: Plan) -> list[Added | CopysightError]:
    """Wait while the model has no room: the sender notices, because nothing more is read from it."""

    async def work(snapshot: Snapshot, embedder: Embedder) -> list[Added | CopysightError]:
        seen = await inference.infer(state, embedder, [wish.picture for wish in wishes], ("embedding",))
        return await threads.on(state.searchers, _stored, state, snapshot, seen, wishes, plan.replace)

    began = asyncio.get_running_loop().time()
    while True:
        try:
            return await model_change.live(state, work)
        except Overloaded:
            if asyncio.get_running_loop().time() - began > state.settings.deadline:
                raise
            await asyncio.sleep(PAUSE)


def _stored(
    state: State, snapshot: Snapshot, seen: Sequence[Seen | PictureError], wishes: Sequence[Wish], replace: bool
) -> list[Added | CopysightError]:
    pairs = [(one, wish) for one, wish in zip(seen, wishes, strict=True) if isinstance(one, Seen)]
    stored = adding.store(state, snapshot, [one for one, _ in pairs], [wish for _, wish in pairs], replace)
    rest = iter(stored)
    return [next(rest) if isinstance(one, Seen) else one for one in seen]


def _parsed(lines: Sequence[Line], plan: Plan) -> list[Wish | CopysightError]:
    return [_wish(line, plan) for line in lines]


def _wish(line: Line, plan: Plan) -> Wish | CopysightError:
    if line.data is None:
        return BodyTooLarge("got a line that is longer than the largest picture; send a smaller one")
    try:
        fields = orjson.loads(line.data)
        if not isinstance(fields, dict) or not isinstance(fields.get("image"), str):
            return InvalidArgument(f"got a line without `image`; {FORM}")
        uploads.check_fields(fields, ("image", *adding.FIELDS))
        return Wish.of(uploads.given(fields["image"]), {"collection": plan.collection} | fields)
    except orjson.JSONDecodeError as error:
        return InvalidArgument(f"got a line that is no JSON ({error}); {FORM}")
    except CopysightError as error:
        return error


def _result(outcome: Added | CopysightError) -> dict[str, Any]:
    if isinstance(outcome, CopysightError):
        return {"error": item_error(outcome)}
    return {"status": outcome.status, "item": search_answers.item(outcome.item)}
