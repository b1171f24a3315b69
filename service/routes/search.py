"""``POST /search`` and ``POST /compare``: what a picture is a copy of, and how sure we are."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from copysight.errors import InvalidArgument, PictureError
from copysight.index import Snapshot
from copysight.scoring.query_views import USUAL, Effort
from service.http.problems import item_error
from service.intake import uploads
from service.intake.uploads import Body
from service.queries import inference, search_answers
from service.queries.inference import Seen
from service.queries.search_answers import Asked
from service.queries.search_options import OPTIONS, Question
from service.routes.scopes import READ
from service.runtime import threads
from service.state import Opened, State

router = APIRouter(tags=["search"])
Float = npt.NDArray[np.float32]
ONE_OF = f'{uploads.FORMS}, or items as JSON {{"ids": [1]}}, or vectors as {{"vectors": [[…]]}}'
EFFORT = "How hard to look: low, the whole picture; normal, also the pictures within it; high, also turned."


SEARCH_BODY = uploads.body_of(
    {name: {"type": "string"} for name in OPTIONS},
    {
        "ids": {"type": "array", "items": {"type": "integer"}, "description": "Items of the collection."},
        "vectors": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        **{name: {"description": "As in the address."} for name in OPTIONS},
    },
)


@router.post("/search", dependencies=[READ], openapi_extra=SEARCH_BODY)
async def search(
    request: Request,
    k: int = Query(10, ge=1, description="Most matches of each picture."),
    min_probability: float | None = Query(None, ge=0, le=1, description="Leave out less probable matches."),
    collection: str | None = Query(None, description="Only this collection; default: all."),
    filter: str | None = Query(None, description='JSON, for example {"eq": ["field", "value"]}.'),  # noqa: A002
    effort: Annotated[Effort, Query(description=EFFORT)] = USUAL,
) -> Response:
    """Near-duplicates and similar pictures of the collection.

    By picture; or, as JSON, by stored items (`{"ids": [1, 2]}`) or by vectors (`{"vectors": [[…], …]}`). In JSON the
    options may stand in the body, too.
    """
    state: State = request.app.state.copysight
    body = await uploads.read(request, state.settings, ("ids", "vectors", *OPTIONS))
    given = (k, min_probability, collection, filter, effort)
    question = Question.of(dict(zip(OPTIONS, given, strict=True)), body.fields, state.settings.max_k)
    opened = await state.opened()
    snapshot = opened.snapshot
    asked = [bool(body.pictures), "ids" in body.fields, "vectors" in body.fields]
    if sum(asked) != 1:
        raise InvalidArgument(f"got {sum(asked)} of pictures, `ids` and `vectors`; {ONE_OF}")
    if body.pictures:
        items = await _by_picture(state, opened, body, question)
    else:
        items = await threads.on(state.searchers, _by_vector, state, snapshot, body.fields, question)
    head = search_answers.head(snapshot, opened.embedder if body.pictures else None)
    return search_answers.json({**head, "items": items})


@router.post("/compare", dependencies=[READ], openapi_extra=uploads.body_of())
async def compare(request: Request, effort: Annotated[Effort, Query(description=EFFORT)] = USUAL) -> Response:
    """Say of two pictures whether one is a copy of the other, or of a part of it."""
    state: State = request.app.state.copysight
    body = await uploads.pictures(request, state.settings)
    if len(body.pictures) != 2:
        raise InvalidArgument(f"got {len(body.pictures)} pictures; a comparison needs exactly two")
    opened = await state.opened()
    snapshot = opened.snapshot
    seen = await inference.infer(state, opened.embedder, body.pictures, ("embedding",), effort)
    for one in seen:
        if isinstance(one, PictureError):
            raise one
    both = [one for one in seen if isinstance(one, Seen)]
    return search_answers.json(await threads.on(state.searchers, _compared, state, snapshot, both, effort))


async def _by_picture(state: State, opened: Opened, body: Body, question: Question) -> list[dict[str, Any]]:
    seen = await inference.infer(state, opened.embedder, body.pictures, ("embedding",), question.effort)
    asked = [Asked.of(one) for one in seen if isinstance(one, Seen)]
    found = (
        await threads.on(state.searchers, search_answers.search, state, opened.snapshot, asked, question)
        if asked
        else []
    )
    rest = iter(found)
    return [{"matches": next(rest)} if isinstance(one, Seen) else {"error": item_error(one)} for one in seen]


def _by_vector(state: State, snapshot: Snapshot, fields: Mapping[str, Any], question: Question) -> list[dict[str, Any]]:
    if "ids" in fields:
        vectors = np.stack([snapshot.vector(number) for number in _ids(fields["ids"])])
    else:
        vectors = _vectors(fields["vectors"], snapshot.bundle.dimension)
    if len(vectors) > state.settings.max_items:
        raise InvalidArgument(f"got {len(vectors)} queries, at most {state.settings.max_items} are allowed")
    found = search_answers.search(state, snapshot, [Asked(vector[None]) for vector in vectors], question)
    return [{"matches": matches} for matches in found]


def _ids(given: object) -> Sequence[int]:
    if not isinstance(given, list) or not given or not all(type(number) is int for number in given):
        raise InvalidArgument("got `ids` that are no list of item ids; write for example [1, 2]")
    return given


def _vectors(given: object, dimension: int) -> Float:
    try:
        vectors = np.asarray(given, np.float32)
    except (ValueError, TypeError) as error:
        raise InvalidArgument(f"got `vectors` that are no lists of numbers ({error})") from error
    if vectors.ndim != 2 or vectors.shape[1] != dimension or not np.isfinite(vectors).all() or not len(vectors):
        raise InvalidArgument(f"got `vectors` of shape {vectors.shape}; needed are finite numbers, N x {dimension}")
    if (np.linalg.norm(vectors, axis=1) < 1e-6).any():
        raise InvalidArgument("got a vector of length 0, which has no direction")
    return vectors


def _compared(state: State, snapshot: Snapshot, seen: Sequence[Seen], effort: Effort) -> dict[str, Any]:
    one, other = seen
    equal = one.sha256 == other.sha256 or search_answers.same_pixels(one.data, other.data, state)
    first, second = Asked.of(one), Asked.of(other)
    penalties = (first.penalties, second.penalties)
    found = snapshot.judge.compare(first.vectors, second.vectors, penalties, equal, effort)
    where = (first, second)[found.picture - 1].where(found.view)
    about = {"where": where and {"picture": found.picture, **where}}
    return search_answers.head(snapshot) | asdict(found.judgement) | about
