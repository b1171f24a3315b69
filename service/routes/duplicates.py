"""``/duplicates``: groups of copies in a collection, what people decide about them, and the search for them."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from copysight.catalog import Item
from copysight.catalog.curation.decisions import NewDecision
from copysight.duplicates import keep as rules
from copysight.duplicates.groups import Group
from copysight.duplicates.picture import Picture
from copysight.duplicates.review import listing
from copysight.duplicates.review.listing import Listing, Wanted
from copysight.errors import InvalidArgument, ItemNotFound
from service.http import forwarded
from service.queries import search_answers
from service.routes.index import only
from service.routes.scopes import READ, WRITE, current_key
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/duplicates", tags=["duplicates"])
LEAST = 0.5
MOST, LONGEST = 10_000, 4096
VERDICTS = ",".join(listing.KINDS)
RULES = "Which picture is kept: the rules of `copysight dedupe --keep`."


class Decide(BaseModel):
    """A decision about items."""

    model_config = ConfigDict(extra="forbid")
    decision: Literal["not_duplicates", "keep_all", "keep", "remove"]
    ids: Annotated[list[Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=MOST)]


class Resolve(BaseModel):
    """Remove the copies of all groups that `GET /duplicates` lists with the same parameters."""

    model_config = ConfigDict(extra="forbid")
    collection: str | None = Field(None, min_length=1, max_length=255)
    keep: Annotated[str, Field(max_length=LONGEST, description=RULES)] = rules.DEFAULT
    min_probability: Annotated[float, Field(ge=LEAST, le=1)] = listing.PROBABILITY
    verdict: Annotated[str, Field(max_length=LONGEST)] = VERDICTS
    prefix: Annotated[str, Field(max_length=LONGEST)] = ""


@router.get("", dependencies=[READ])
async def groups(
    request: Request,
    collection: str | None = Query(None, min_length=1, max_length=255, description="Search result of this collection."),
    min_probability: float = Query(listing.PROBABILITY, ge=LEAST, le=1, description="Least probability of a copy."),
    verdict: str = Query(VERDICTS, max_length=LONGEST, description="Verdicts of copies, separated by commas."),
    prefix: str = Query("", max_length=LONGEST, description="Only groups with a key that begins like this."),
    keep: str = Query(rules.DEFAULT, max_length=LONGEST, description=RULES),
    offset: int = Query(0, ge=0, le=2**31),
    limit: int = Query(50, ge=1, le=500),
) -> Response:
    """Groups of copies, those that free most bytes first. Each copy was compared with the picture that is kept.

    `computed` says from when the search is, and `null` that there was none: start one with `POST /duplicates`.
    `computed.new` counts the items that are new or have another picture since; the next search takes them in. Deleted
    items and what was decided count at once. `next` is the `offset` of the next page, or null.
    """
    state: State = request.app.state.copysight
    wanted = Wanted(keep, min_probability, listing.kinds_of(verdict), prefix)
    return search_answers.json(await threads.run(state.searchers, _page, state, collection, wanted, offset, limit))


@router.post("", dependencies=[WRITE, Depends(only("collection"))], status_code=202)
async def start(
    request: Request,
    collection: Annotated[
        str | None, Body(embed=True, min_length=1, max_length=255, description="Default: all collections together.")
    ] = None,
) -> Response:
    """Start a process that finds the copies in a collection, and return its job. If one runs, return its job."""
    state: State = request.app.state.copysight
    job = await threads.run(state.searchers, state.duplicates.start, collection)
    return search_answers.json(asdict(job), 202, {"Location": forwarded.address(request, f"/jobs/{job.id}")})


@router.post("/decisions", dependencies=[WRITE, Depends(only("decisions", "resolve", "undo"))])
async def decide(
    request: Request,
    decisions: Annotated[list[Decide] | None, Body(embed=True, max_length=MOST)] = None,
    resolve: Annotated[Resolve | None, Body(embed=True)] = None,
    undo: Annotated[int | None, Body(embed=True, strict=True, ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Decide about copies: a list of `decisions`, or `resolve` all groups by a rule, or `undo` a batch.

    `not_duplicates`: these items are no copies of each other. `keep_all`: they may be, and all are kept. `keep`: the
    first of these items is kept, whatever the rules say. `remove`: delete these items, so that they can be restored.

    Decisions count by the bytes of the pictures: they survive moves and rebuilds. The `batch` of the answer undoes
    all that one call has done; removed items come back with their ids.
    """
    state: State = request.app.state.copysight
    if sum(one is not None for one in (decisions, resolve, undo)) != 1:
        raise InvalidArgument("got none or several of `decisions`, `resolve` and `undo`; send exactly one of them")
    key = await current_key(request)
    author = None if key is None else key.name
    if undo is not None:
        done = await threads.run(state.searchers, state.index.catalog.curation.undo, undo)
        answer = {"batch": done.batch, "decisions": done.decisions, "removed": 0, "restored": done.restored}
        return search_answers.json(answer | {"left": list(done.left)})
    new, removed = await threads.run(state.searchers, _collect, state, decisions or (), resolve)
    made = await threads.run(state.searchers, state.index.catalog.curation.decide, new, removed, author)
    return search_answers.json(asdict(made) | {"restored": 0, "left": []})


def _page(state: State, collection: str | None, wanted: Wanted, offset: int, limit: int) -> dict[str, Any]:
    snapshot = state.index.snapshot()
    found, job = state.review.result(collection), state.duplicates.latest()
    curation = state.index.catalog.curation
    answer = search_answers.index_fields(snapshot) | {
        "computed": None,
        "job": None if job is None else asdict(job),
        "undo": curation.latest(),
        "total": 0,
        "copies": 0,
        "bytes": 0,
        "groups": [],
        "next": None,
    }
    if found is None:
        rules.parse(wanted.keep)
        return answer
    listed = state.review.listing(found, wanted)
    page = listed.groups[offset : offset + limit]
    members = [one.number for group in listed.groups for one in group.members]
    computed = {name: getattr(found, name) for name in ("made", "generation", "sequence", "collection", "searched")}
    return answer | {
        "computed": computed | {"new": state.index.catalog.count(collection, after=found.sequence)},
        "total": len(listed.groups),
        "copies": len(members),
        "bytes": sum(listed.pictures[number].bytes or 0 for number in members),
        "groups": [_group(listed, group) for group in page],
        "next": offset + limit if offset + limit < len(listed.groups) else None,
    }


def _group(listed: Listing, group: Group) -> dict[str, Any]:
    return {
        "keep": _picture(listed, group.keep),
        "reason": listed.reason(group),
        "members": [
            _picture(listed, one.number) | {"probability": round(one.probability, 4), "verdict": one.kind}
            for one in group.members
        ],
    }


def _picture(listed: Listing, number: int) -> dict[str, Any]:
    one: Picture = listed.pictures[number]
    names = ("sha256", "width", "height", "bytes", "format", "taken", "camera", "modified")
    return {"id": listed.ids[number], "key": one.path} | {name: getattr(one, name) for name in names}


def _collect(
    state: State, decisions: list[Decide] | tuple[()], resolve: Resolve | None
) -> tuple[list[NewDecision], list[int]]:
    """The decisions by sha256, and the ids of the items to remove."""
    if resolve is not None:
        return [], _resolved(state, resolve)
    ids = {number for one in decisions for number in one.ids}
    items: dict[int, Item] = state.index.catalog.get_many(ids)
    if missing := sorted(ids - items.keys()):
        raise ItemNotFound(f"there is no item {missing[0]}; perhaps it was deleted; nothing was decided", id=missing[0])
    new = [
        NewDecision(one.decision, tuple(items[number].sha256 for number in one.ids))
        for one in decisions
        if one.decision != "remove"
    ]
    return new, [number for one in decisions if one.decision == "remove" for number in one.ids]


def _resolved(state: State, resolve: Resolve) -> list[int]:
    found = state.review.result(resolve.collection)
    if found is None:
        raise InvalidArgument("got `resolve` for a collection that was not searched for copies; send POST /duplicates")
    kinds = listing.kinds_of(resolve.verdict)
    listed = state.review.listing(found, Wanted(resolve.keep, resolve.min_probability, kinds, resolve.prefix))
    return [listed.ids[one.number] for group in listed.groups for one in group.members]
