"""``/webhooks``: addresses that hear of matches, decisions, quarantine, reviews and expiry."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from copysight.catalog.outbox import deliveries as stored
from copysight.catalog.outbox.deliveries import Replay
from copysight.catalog.outbox.events import TYPES, Type
from copysight.catalog.outbox.webhooks import LONGEST_NOTE, LONGEST_URL, Webhook, WebhookTarget
from copysight.errors import InvalidArgument
from service.queries import search_answers
from service.routes.scopes import ADMIN, key_name
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/webhooks", tags=["moderation"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, examples=["https://desk.example/copysight"])]
Types = Annotated[list[Type], Field(max_length=len(TYPES), description="Types of events that are sent; empty: all.")]
Note = Annotated[str, Field(max_length=LONGEST_NOTE)]
SECRET = "Signs what is sent: `whsec_` and base64 of 24 to 64 bytes. Default: a random one."  # noqa: S105 - a description


class NewWebhook(BaseModel):
    """A webhook to create."""

    model_config = ConfigDict(extra="forbid")
    url: Url
    types: Types = []
    enabled: Annotated[bool, Field(strict=True)] = True
    note: Note = ""
    secret: Annotated[str | None, Field(max_length=128, description=SECRET)] = None


class ChangeWebhook(BaseModel):
    """What changes about a webhook; fields that are not sent stay as they are."""

    model_config = ConfigDict(extra="forbid")
    url: Url = ""
    types: Types = []
    enabled: Annotated[bool, Field(strict=True)] = True
    note: Note = ""


class ReplayEvents(BaseModel):
    """Which events are sent again; without fields, all of the last 30 days."""

    model_config = ConfigDict(extra="forbid")
    after: Annotated[int, Field(strict=True, ge=0, le=2**63 - 1, description="Only events above this number.")] = 0
    since: Annotated[
        float, Field(strict=True, ge=0, le=1e12, description="From then on, in seconds since the epoch.")
    ] = 0.0
    types: Types = []
    failed: Annotated[bool, Field(strict=True, description="Only those whose delivery was given up.")] = False


@router.post("", dependencies=[ADMIN], status_code=201)
async def create(request: Request, webhook: NewWebhook) -> Response:
    """Create a webhook; it hears of what happens from now on. Only this answer has its `secret`: store it.

    Each event is a POST with a JSON body `{type, timestamp, data}`, signed as in Standard Webhooks: the header
    `webhook-signature` is `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`, with the headers `webhook-id` and
    `webhook-timestamp`. Answer with a status of 2xx within 10 s. Anything else, and the event comes again with the same
    id, after 5 s, 10 s, 20 s and so on, up to an hour; 410 disables the webhook. Events about one item come in their
    order.
    """
    state: State = request.app.state.copysight
    target = WebhookTarget(webhook.url, tuple(webhook.types), webhook.enabled, webhook.note)
    await state.webhooks.check_target(target.url)
    make = state.index.catalog.outbox.create
    made = await threads.run(state.searchers, make, target, webhook.secret, key_name(request))
    return search_answers.json(_json(state, made) | {"secret": made.secret}, 201)


@router.get("", dependencies=[ADMIN])
async def listing(request: Request) -> Response:
    """All webhooks, with the number of events that are `pending` and that were given up (`failed`)."""
    state: State = request.app.state.copysight
    return search_answers.json({"webhooks": await threads.run(state.searchers, _all, state)})


@router.get("/{number}", dependencies=[ADMIN])
async def one(request: Request, number: Number) -> Response:
    """A webhook. `fault` says why the service disabled it."""
    state: State = request.app.state.copysight
    return search_answers.json(await threads.run(state.searchers, _one, state, number))


@router.patch("/{number}", dependencies=[ADMIN])
async def change(request: Request, number: Number, changes: ChangeWebhook) -> Response:
    """Change a webhook. What is pending waits while it is not enabled, and goes to a new `url`."""
    state: State = request.app.state.copysight
    given = changes.model_dump(exclude_unset=True)
    if not given:
        raise InvalidArgument('got nothing to change; send for example {"enabled": false}')
    if "url" in given:
        await state.webhooks.check_target(WebhookTarget(given["url"]).url)
    given |= {"types": tuple(given["types"])} if "types" in given else {}
    outbox = state.index.catalog.outbox
    await threads.run(state.searchers, outbox.change, number, given, key_name(request))
    return search_answers.json(await threads.run(state.searchers, _one, state, number))


@router.delete("/{number}", dependencies=[ADMIN], status_code=204)
async def delete(request: Request, number: Number) -> Response:
    """Delete a webhook. What it has not heard of yet is not sent any more."""
    state: State = request.app.state.copysight
    await threads.run(state.searchers, state.index.catalog.outbox.delete, number, key_name(request))
    return Response(status_code=204)


@router.post("/{number}/test", dependencies=[ADMIN], status_code=202)
async def test(request: Request, number: Number) -> Response:
    """Send an event of the type `webhook.test`, to this webhook only. `GET /webhooks/{number}/deliveries` says how."""
    state: State = request.app.state.copysight
    event = await threads.run(state.searchers, state.index.catalog.outbox.test, number)
    return search_answers.json({"event": event}, 202)


@router.post("/{number}/replay", dependencies=[ADMIN], status_code=202)
async def replay(request: Request, number: Number, events: ReplayEvents) -> Response:
    """Send events again, also those from before the webhook was created, with the ids that they had.

    Events can be replayed for 30 days. The answer has their number.
    """
    state: State = request.app.state.copysight
    wanted = Replay(events.after, events.since, tuple(events.types), events.failed)
    again = state.index.catalog.outbox.replay
    return search_answers.json(
        {"events": await threads.run(state.searchers, again, number, wanted, key_name(request))}, 202
    )


@router.get("/{number}/deliveries", dependencies=[ADMIN])
async def deliveries(
    request: Request,
    number: Number,
    state: Annotated[stored.State | None, Query(description="Only deliveries in this state.")] = None,
    after: int = Query(0, ge=0, le=2**63 - 1, description="Only later events: the `next` of the page before."),
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """The deliveries of events to a webhook, in their order: what came of each. `next` is null on the last page."""
    service: State = request.app.state.copysight
    read = service.index.catalog.outbox.deliveries
    found = await threads.run(service.searchers, read, number, state, after, limit)
    following = found[-1].event if len(found) == limit else None
    return search_answers.json({"deliveries": [asdict(one) for one in found], "next": following})


def _all(state: State) -> list[dict[str, Any]]:
    return [_json(state, one) for one in state.index.catalog.outbox.webhooks()]


def _one(state: State, number: int) -> dict[str, Any]:
    return _json(state, state.index.catalog.outbox.get(number))


def _json(state: State, hook: Webhook) -> dict[str, Any]:
    backlog = state.index.catalog.outbox.backlog(hook.id)
    about = {"fault": hook.fault, "created": hook.created, "author": hook.author}
    return {"id": hook.id} | asdict(hook.target) | about | {"pending": backlog.pending, "failed": backlog.failed}
