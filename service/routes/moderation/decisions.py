"""``/decisions``: what people decide about matches."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from copysight.catalog.moderation import decisions as stored
from copysight.catalog.moderation.deciding import NewMatchDecision
from service.moderation import learning
from service.queries import search_answers
from service.routes.scopes import READ, WRITE, key_name
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/decisions", tags=["moderation"])
Id = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
REASON = "Why, for those who read it later."


class NewDecision(BaseModel):
    """A decision about a recorded `match`, or about the pair of a `query` and an `item`."""

    model_config = ConfigDict(extra="forbid")
    decision: Literal["confirm", "deny"]
    match: Annotated[Id | None, Field(description="The `match` of an answer of `POST /search` or `/images`.")] = None
    query: Annotated[
        str | None, Field(pattern="^[0-9a-f]{64}$", description="Sha256 of the file that was searched for.")
    ] = None
    item: Annotated[Id | None, Field(description="Id of the item that it matched.")] = None
    reason: Annotated[str, Field(max_length=stored.LONGEST_REASON, description=REASON)] = ""


@router.post("", dependencies=[WRITE], status_code=201)
async def decide(request: Request, decision: NewDecision) -> Response:
    """Confirm or deny a match. The latest decision about two pictures counts; pictures count by their bytes.

    No search answers a denied pair again. An item goes to quarantine after as many denied matches as its list allows.
    From 50 decisions on, the probabilities of the list follow what was decided.
    """
    state: State = request.app.state.copysight
    new = NewMatchDecision(decision.decision, decision.reason, decision.match, decision.query, decision.item)
    made = await threads.run(state.searchers, _decide, state, new, key_name(request))
    return search_answers.json(asdict(made), 201)


@router.get("", dependencies=[READ])
async def listing(
    request: Request,
    list: str | None = Query(None, description="Only about matches with this list."),  # noqa: A002 - the API's word
    item: int | None = Query(None, ge=1, le=2**63 - 1, description="Only about matches with this item."),
    after: int = Query(0, ge=0, le=2**63 - 1, description="Only later ones: the `next` of the page before."),
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """Decisions about matches, the oldest first, one page at a time. `next` is null on the last page."""
    state: State = request.app.state.copysight
    read = state.index.catalog.moderation.decisions
    found = await threads.run(state.searchers, read, list, item, after, limit)
    following = found[-1].id if len(found) == limit else None
    return search_answers.json({"decisions": [asdict(one) for one in found], "next": following})


@router.delete("/{number}", dependencies=[WRITE], status_code=204)
async def withdraw(request: Request, number: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """Withdraw a decision, as if it had not been made: an earlier one about the same two pictures counts again.

    Its review opens again, its list learns nothing from it, and an item that denials had sent to quarantine comes out
    if too few are left.
    """
    state: State = request.app.state.copysight
    await threads.run(state.searchers, _withdraw, state, number, key_name(request))
    return Response(status_code=204)


def _decide(state: State, new: NewMatchDecision, author: str | None) -> stored.MatchDecision:
    made = state.index.catalog.moderation.decide(new, author)
    if made.list is not None:
        learning.learn(state.index.catalog.moderation, made.list)
    return made


def _withdraw(state: State, number: int, author: str | None) -> None:
    gone = state.index.catalog.moderation.withdraw(number, author)
    if gone.list is not None:
        learning.learn(state.index.catalog.moderation, gone.list)
