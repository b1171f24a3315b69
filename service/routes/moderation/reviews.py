"""``/reviews``: matches that people have to look at, who is at it, and their verdicts."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from copysight.catalog.moderation import review_queue
from copysight.catalog.moderation.decisions import LONGEST_REASON
from copysight.catalog.moderation.lists import LONGEST_NAME
from copysight.catalog.moderation.review_queue import CLAIM_SECONDS
from copysight.catalog.moderation.reviews import Claim, Review, ReviewFilter, ReviewState
from service.moderation import learning
from service.queries import search_answers
from service.routes.scopes import READ, WRITE, key_name
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/reviews", tags=["moderation"])
MOST = 2**63 - 1
Number = Annotated[int, Path(ge=1, le=MOST)]
Seconds = Annotated[
    float, Field(strict=True, gt=0, le=86400, description="After this time, others can take the review.")
]
LOCAL = "local"
"""Who claims reviews on a server without keys."""


class ClaimNext(BaseModel):
    """Which review to take next."""

    model_config = ConfigDict(extra="forbid")
    list: Annotated[str | None, Field(max_length=LONGEST_NAME, description="Only of this list.")] = None
    seconds: Seconds = CLAIM_SECONDS


class ClaimOne(BaseModel):
    """How long a review is claimed."""

    model_config = ConfigDict(extra="forbid")
    seconds: Seconds = CLAIM_SECONDS


class Assign(BaseModel):
    """Who should do a review."""

    model_config = ConfigDict(extra="forbid")
    assignee: Annotated[
        str | None,
        Field(min_length=1, max_length=review_queue.LONGEST_NAME, description="Name of a key; null: anybody."),
    ]


class Verdict(BaseModel):
    """The verdict about the match of a review."""

    model_config = ConfigDict(extra="forbid")
    verdict: Literal["confirm", "deny"]
    reason: Annotated[str, Field(max_length=LONGEST_REASON, description="Why, for those who read it later.")] = ""


@router.get("", dependencies=[READ])
async def listing(
    request: Request,
    state: Annotated[ReviewState | Literal["all"], Query()] = "open",
    list: str | None = Query(None, max_length=LONGEST_NAME, description="Only of this list."),  # noqa: A002
    item: int | None = Query(None, ge=1, le=MOST, description="Only about matches with this item."),
    query: str | None = Query(None, pattern="^[0-9a-f]{64}$", description="Only about the file with this sha256."),
    assignee: str | None = Query(
        None, max_length=255, description="Only those that this key should do; empty: anybody."
    ),
    claim: Annotated[Claim | None, Query(description="Only those that somebody is at, or nobody.")] = None,
    mine: bool = Query(False, description="Only those that the request's key has claimed."),
    after: int = Query(0, ge=0, le=MOST, description="Only later ones: the `next` of the page before."),
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """Reviews, the oldest first, one page at a time, and how many there are (`total`). `next` is null on the last page.

    A match of a list whose policy is `review` opens a review; the best match of a query counts for its list.
    """
    service: State = request.app.state.copysight
    by = _reviewer(request) if mine else None
    wanted = ReviewFilter(None if state == "all" else state, list, item, query, assignee, claim, by)
    found = await threads.run(service.searchers, _page, service, wanted, after, limit)
    total = await threads.run(service.searchers, service.index.catalog.reviews.count, wanted)
    following = found[-1]["id"] if len(found) == limit else None
    return search_answers.json({"reviews": found, "total": total, "next": following})


@router.post(
    "/claim",
    dependencies=[WRITE],
    responses={200: {"content": {"application/json": {}}}, 204: {"description": "There is none."}},
)
async def claim_next(request: Request, wanted: ClaimNext) -> Response:
    """Claim the oldest open review that nobody is at, and that is not assigned to somebody else. 204: there is none."""
    state: State = request.app.state.copysight
    take = state.index.catalog.reviews.claim_next
    asked = ReviewFilter(list=wanted.list)
    found = await threads.run(state.searchers, take, asked, _reviewer(request), wanted.seconds)
    return Response(status_code=204) if found is None else await _answer(state, found)


@router.get("/{number}", dependencies=[READ])
async def one(request: Request, number: Number) -> Response:
    """A review, with the item that was `matched`.

    `upload` is the item as which the query is stored; null if it is not.
    """
    state: State = request.app.state.copysight
    return await _answer(state, await threads.run(state.searchers, state.index.catalog.reviews.get, number))


@router.patch("/{number}", dependencies=[WRITE])
async def assign(request: Request, number: Number, changes: Assign) -> Response:
    """Say who should do a review."""
    state: State = request.app.state.copysight
    change = state.index.catalog.reviews.assign
    return await _answer(
        state, await threads.run(state.searchers, change, number, changes.assignee, _reviewer(request))
    )


@router.post("/{number}/claim", dependencies=[WRITE])
async def claim(request: Request, number: Number, wanted: ClaimOne) -> Response:
    """Claim a review, so that nobody else decides it for a time; again, to claim it for longer."""
    state: State = request.app.state.copysight
    take = state.index.catalog.reviews.claim
    return await _answer(state, await threads.run(state.searchers, take, number, _reviewer(request), wanted.seconds))


@router.post("/{number}/release", dependencies=[WRITE])
async def release(request: Request, number: Number) -> Response:
    """Give up a claim."""
    state: State = request.app.state.copysight
    back = state.index.catalog.reviews.release
    return await _answer(state, await threads.run(state.searchers, back, number, _reviewer(request)))


@router.post("/{number}/verdict", dependencies=[WRITE])
async def verdict(request: Request, number: Number, given: Verdict) -> Response:
    """Confirm or deny the match. That closes the review, and is a decision as by `POST /decisions`.

    After a denial, the query's next match with the list gets a review.
    """
    state: State = request.app.state.copysight
    return search_answers.json(
        await threads.run(state.searchers, _decide, state, number, given, _reviewer(request), key_name(request))
    )


def _reviewer(request: Request) -> str:
    return key_name(request) or LOCAL


def _decide(state: State, number: int, given: Verdict, by: str, author: str | None) -> dict[str, Any]:
    queue = state.index.catalog.reviews
    made = queue.decide(number, given.verdict, given.reason, by, author)
    if made.list is not None:
        learning.learn(state.index.catalog.moderation, made.list)
    return _json(state, [queue.get(number)])[0]


async def _answer(state: State, review: Review) -> Response:
    found = await threads.run(state.searchers, _json, state, [review])
    return search_answers.json(found[0])


def _page(state: State, wanted: ReviewFilter, after: int, limit: int) -> list[dict[str, Any]]:
    return _json(state, state.index.catalog.reviews.page(wanted, after, limit))


def _json(state: State, found: Sequence[Review]) -> list[dict[str, Any]]:
    """Reviews as JSON, with what is known about their matches, items and uploads."""
    catalog = state.index.catalog
    matches, uploads = catalog.moderation.matches(one.match for one in found), catalog.moderation.uploads(found)
    items = catalog.get_many({one.item for one in found})
    answers = []
    for one in found:
        match, item = matches.get(one.match), items.get(one.item)
        about = {name: getattr(match, name, None) for name in ("probability", "verdict", "action")}
        about |= {"upload": uploads.get(one.id), "matched": None if item is None else search_answers.item(item)}
        answers.append(asdict(one) | about)
    return answers
