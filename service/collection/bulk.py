"""Add many pictures in one NDJSON request: one result line for each input line, in order, while the body arrives."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from copysight.errors import CopysightError, InvalidArgument, PictureError
from copysight.index import Snapshot
from copysight.model.embedder import Embedder
from copysight.system import exact_json
from service.collection import adding, matching, model_change
from service.collection.adding import NewPicture
from service.collection.matching import Uploaded
from service.http import forwarded, system_errors
from service.http.problems import BodyTooLarge, DeadlineExceeded, Overloaded, item_error
from service.intake import uploads
from service.intake.ndjson import Line, LineBuffer, split
from service.queries import inference, search_answers
from service.queries.inference import PictureFeatures
from service.runtime import threads
from service.state import State

MEDIA_TYPE = "application/x-ndjson"
RETRY_SECONDS = 0.1
FORM = 'a line is a JSON object such as {"image": "<base64 or data URI>", "key": "a/b.jpg"}'


@dataclass(frozen=True)
class BulkOptions:
    """Options for all lines: the collection of lines that name none, and whether existing keys are replaced.

    ``match``: also answer what each picture matches. ``author``: name of the key.
    """

    collection: str
    replace: bool
    match: bool = False
    author: str | None = None


class NdjsonResponse(StreamingResponse):
    """Send lines while the request body arrives. Nothing else may read the body, not even to detect a disconnect."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as above
        """Send all lines."""
        await self.stream_response(send)


def is_bulk(scope: Scope) -> bool:
    """Whether a request is a bulk add: ``POST /images`` with NDJSON."""
    if scope["method"] != "POST" or forwarded.route_path(scope) != "/images":
        return False
    return Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def respond(state: State, request: Request, options: BulkOptions, snapshot: Snapshot) -> NdjsonResponse:
    """Add the pictures of all lines. The headers are those of ``snapshot``, taken at the start.

    All lines that have arrived are stored together, in one transaction. Backpressure: the body is read only as fast as
    its lines are stored.
    """
    headers = search_answers.index_headers(snapshot)
    return NdjsonResponse(_results(state, request, options), headers=headers, media_type=MEDIA_TYPE)


async def _results(state: State, request: Request, options: BulkOptions) -> AsyncIterator[bytes]:
    settings, buffer = state.settings, LineBuffer(state.settings.max_body)
    longest = settings.max_bytes * 4 // 3 + 2**17
    filling = asyncio.create_task(buffer.fill(split(request.stream(), longest, settings.deadline)))
    try:
        while lines := await buffer.take():
            for line, result in zip(lines, await _add_lines(state, lines, options), strict=True):
                yield exact_json.dumps({"line": line.number} | result) + b"\n"
        await filling
    except ClientDisconnect:
        return
    except TimeoutError:
        error = DeadlineExceeded(
            f"no line arrived for {settings.deadline:g} s; all lines with a result are stored, send the others again"
        )
        yield exact_json.dumps({"error": item_error(error)}) + b"\n"
    finally:
        filling.cancel()


async def _add_lines(state: State, lines: Sequence[Line], options: BulkOptions) -> list[dict[str, Any]]:
    parsed = await threads.run(state.searchers, _parse_lines, lines, options)
    good = [one for one in parsed if isinstance(one, NewPicture)]
    outcomes = iter(await _outcomes(state, good, options) if good else [])
    return [_result(next(outcomes) if isinstance(one, NewPicture) else one) for one in parsed]


async def _outcomes(
    state: State, new_pictures: Sequence[NewPicture], options: BulkOptions
) -> list[Uploaded | CopysightError]:
    try:
        return await _add_when_admitted(state, new_pictures, options)
    except OSError as error:
        if (known := system_errors.explained(error)) is None:
            raise
        return [known] * len(new_pictures)
    except CopysightError as error:
        if len(new_pictures) == 1:
            return [error]
        # At least one of them cannot be stored. Add them one by one, so that the others succeed.
        return [outcome for new in new_pictures for outcome in await _outcomes(state, [new], options)]


async def _add_when_admitted(
    state: State, new_pictures: Sequence[NewPicture], options: BulkOptions
) -> list[Uploaded | CopysightError]:
    """Add pictures; while the queue of the model is full, wait. The sender waits too, because its body is not read."""

    async def work(snapshot: Snapshot, embedder: Embedder) -> list[Uploaded | CopysightError]:
        results = await inference.infer(state, embedder, [new.picture for new in new_pictures], ("embedding",))
        return await threads.run(state.searchers, _store, state, snapshot, results, new_pictures, options)

    began = asyncio.get_running_loop().time()
    while True:
        try:
            return await model_change.with_live_model(state, work)
        except Overloaded:
            if asyncio.get_running_loop().time() - began > state.settings.deadline:
                raise
            await asyncio.sleep(RETRY_SECONDS)


def _store(
    state: State,
    snapshot: Snapshot,
    results: Sequence[PictureFeatures | PictureError],
    new_pictures: Sequence[NewPicture],
    options: BulkOptions,
) -> list[Uploaded | CopysightError]:
    pairs = [(one, new) for one, new in zip(results, new_pictures, strict=True) if isinstance(one, PictureFeatures)]
    features, new = [one for one, _ in pairs], [new for _, new in pairs]
    stored = matching.add(state, snapshot, features, new, options.replace, options.match, options.author)
    outcomes = iter(stored)
    return [next(outcomes) if isinstance(one, PictureFeatures) else one for one in results]


def _parse_lines(lines: Sequence[Line], options: BulkOptions) -> list[NewPicture | CopysightError]:
    return [_parse_line(line, options) for line in lines]


def _parse_line(line: Line, options: BulkOptions) -> NewPicture | CopysightError:
    if line.data is None:
        return BodyTooLarge("got a line that is longer than the largest allowed picture; send a smaller picture")
    try:
        fields = exact_json.loads(line.data, "metadata")
        if not isinstance(fields, dict) or not isinstance(fields.get("image"), str):
            return InvalidArgument(f"got a line without `image`; {FORM}")
        uploads.check_fields(fields, ("image", *adding.FIELDS))
        return NewPicture.of(uploads.parse_picture(fields["image"]), {"collection": options.collection} | fields)
    except orjson.JSONDecodeError as error:
        return InvalidArgument(f"got a line that is not valid JSON ({error}); {FORM}")
    except CopysightError as error:
        return error


def _result(outcome: Uploaded | CopysightError) -> dict[str, Any]:
    if isinstance(outcome, CopysightError):
        return {"error": item_error(outcome)}
    added = outcome.added
    if isinstance(added, CopysightError):
        return {"error": item_error(added)}
    return {"status": added.status, "item": search_answers.item(added.item)} | outcome.matched
