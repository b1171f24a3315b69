"""``POST /search`` and ``POST /compare``: find copies of pictures, with the probability of each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from copysight.errors import InvalidArgument, ItemNotFound, PictureError
from copysight.index import Snapshot, where
from copysight.index.find_copies import judge_pair
from copysight.model import explanation
from copysight.model.embedder import Embedder
from copysight.model.explanation import Part
from copysight.scoring.query_views import DEFAULT_EFFORT, Effort
from copysight.scoring.verified import DEFAULT_MODE, Mode
from service.http.problems import item_error
from service.intake import uploads
from service.intake.uploads import Body
from service.queries import inference, search_answers, search_query
from service.queries.inference import PictureFeatures
from service.queries.search_options import OPTIONS, SearchOptions
from service.queries.search_query import SearchQuery
from service.routes.scopes import READ, key_name
from service.runtime import threads
from service.state import QueryContext, State

router = APIRouter(tags=["search"])
Float = npt.NDArray[np.float32]
ONE_OF = f'{uploads.FORMS}; or send items as JSON {{"ids": [1]}}, or vectors as JSON {{"vectors": [[…]]}}'
EFFORT = "Search depth: `low` for the whole picture, `normal` also for its parts, `high` also for it turned."
VERIFY = (
    "Whether matches are verified by local features, and outlined: `auto` where the score leaves it open, `always`, or "
    "`never`."
)
EXPLAIN = (
    "Also answer `explanation`: for each picture a map of how much each place adds to the similarity. Its values add "
    "up to the similarity, which is then computed in float32."
)
PRECISION = (
    "Answer only matches that keep this expected precision, for example 0.99. `policy` in the answer says from which "
    "probability on, and which share of copies is expected to be found."
)
LISTS = (
    "Also answer which lists match, with `decision`, what to do, and record matches of pictures. Without lists, the "
    "answer has neither."
)

SEARCH_BODY = uploads.body_of(
    {name: {"type": "string"} for name in OPTIONS},
    {
        "ids": {"type": "array", "items": {"type": "integer"}, "description": "Ids of stored items."},
        "vectors": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        **{name: {"description": "Like the query parameter."} for name in OPTIONS},
    },
)


@router.post("/search", dependencies=[READ], openapi_extra=SEARCH_BODY)
async def search(
    request: Request,
    k: int = Query(10, ge=1, description="Maximum number of matches of each picture."),
    min_probability: float | None = Query(None, ge=0, le=1, description="Leave out matches with a lower probability."),
    collection: str | None = Query(None, description="Only this collection. Default: all collections."),
    filter: str | None = Query(None, description='As JSON, for example {"eq": ["field", "value"]}.'),  # noqa: A002
    effort: Annotated[Effort, Query(description=EFFORT)] = DEFAULT_EFFORT,
    verify: Annotated[Mode, Query(description=VERIFY)] = DEFAULT_MODE,
    precision: float | None = Query(None, ge=0, le=1, description=PRECISION),
    lists: bool = Query(True, description=LISTS),
) -> Response:
    """Near-duplicates and similar pictures of the collection.

    Search by pictures; or, with a JSON body, by stored items (`{"ids": [1, 2]}`) or by vectors
    (`{"vectors": [[…], …]}`). The query parameters may also be fields of the body.
    """
    state: State = request.app.state.copysight
    body = await uploads.read(request, state.settings, ("ids", "vectors", *OPTIONS))
    given = (k, min_probability, collection, filter, effort, verify, precision or state.settings.precision, lists)
    options = SearchOptions.of(dict(zip(OPTIONS, given, strict=True)), body.fields, state.settings.max_k)
    context = await state.query_context()
    snapshot = context.snapshot
    kinds = [bool(body.pictures), "ids" in body.fields, "vectors" in body.fields]
    if sum(kinds) != 1:
        raise InvalidArgument(f"got {sum(kinds)} of pictures, `ids` and `vectors`; give exactly one; {ONE_OF}")
    if body.pictures:
        items = await _by_picture(state, context, body, options, key_name(request))
    else:
        items = await threads.run(state.searchers, _by_vector, state, snapshot, body.fields, options)
    fields = search_answers.index_fields(snapshot, context.embedder if body.pictures else None)
    policy = options.selection.policy(snapshot.judge)
    return search_answers.json({**fields, "policy": policy and asdict(policy), "items": items})


@router.post("/compare", dependencies=[READ], openapi_extra=uploads.body_of())
async def compare(
    request: Request,
    effort: Annotated[Effort, Query(description=EFFORT)] = DEFAULT_EFFORT,
    verify: Annotated[Mode, Query(description=VERIFY)] = DEFAULT_MODE,
    explain: bool = Query(False, description=EXPLAIN),
) -> Response:
    """Compare two pictures: whether one is a copy of the other, or of a part of it."""
    state: State = request.app.state.copysight
    body = await uploads.pictures(request, state.settings)
    if len(body.pictures) != 2:
        raise InvalidArgument(f"got {len(body.pictures)} pictures; send exactly two to compare")
    context = await state.query_context()
    snapshot, embedder = context.snapshot, context.embedder
    if explain:
        snapshot.bundle.graph_of("contributions")  # raises if there are none
        embedder = await threads.run(state.searchers, state.models.get, snapshot.bundle, "fp32")
    results = await inference.infer(state, embedder, body.pictures, ("embedding",), effort)
    for one in results:
        if isinstance(one, PictureError):
            raise one
    both = [one for one in results if isinstance(one, PictureFeatures)]
    explainer = embedder if explain else None
    found = await threads.run(state.searchers, _compared, state, snapshot, both, effort, verify, explainer)
    return search_answers.json(found)


async def _by_picture(
    state: State, context: QueryContext, body: Body, options: SearchOptions, author: str | None
) -> list[dict[str, Any]]:
    results = await inference.infer(state, context.embedder, body.pictures, ("embedding",), options.effort)
    queries = [SearchQuery.of(one) for one in results if isinstance(one, PictureFeatures)]
    found = (
        await threads.run(state.searchers, search_answers.search, state, context.snapshot, queries, options, author)
        if queries
        else []
    )
    rest = iter(found)
    return [next(rest) if isinstance(one, PictureFeatures) else {"error": item_error(one)} for one in results]


def _by_vector(
    state: State, snapshot: Snapshot, fields: Mapping[str, Any], options: SearchOptions
) -> list[dict[str, Any]]:
    if "ids" in fields:
        ids = _ids(fields["ids"])
        stored = state.index.catalog.get_many(ids)
        queries = [SearchQuery(snapshot.vector(number)[None], stored=stored.get(number)) for number in ids]
    else:
        vectors = _vectors(fields["vectors"], snapshot.bundle.dimension)
        queries = [SearchQuery(vector[None]) for vector in vectors]
    if len(queries) > state.settings.max_items:
        raise InvalidArgument(f"got {len(queries)} queries; a request may have at most {state.settings.max_items}")
    return search_answers.search(state, snapshot, queries, options)


def _ids(given: object) -> Sequence[int]:
    if not isinstance(given, list) or not given or not all(type(number) is int for number in given):
        raise InvalidArgument("got `ids` that is not a list of item ids; write for example [1, 2]")
    if wrong := [number for number in given if not 0 < number < 2**63]:
        raise ItemNotFound(f"there is no item {wrong[0]}; ids are numbers from 1")
    return given


def _vectors(given: object, dimension: int) -> Float:
    try:
        vectors = np.asarray(given, np.float32)
    except (ValueError, TypeError) as error:
        raise InvalidArgument(f"got `vectors` that is not a list of lists of numbers ({error})") from error
    if vectors.ndim != 2 or vectors.shape[1] != dimension or not np.isfinite(vectors).all() or not len(vectors):
        raise InvalidArgument(
            f"got `vectors` of shape {vectors.shape}; they must be finite numbers of shape (N, {dimension})"
        )
    if (np.linalg.norm(vectors, axis=1) < 1e-6).any():
        raise InvalidArgument("got a zero vector, which has no direction")
    return vectors


def _compared(
    state: State,
    snapshot: Snapshot,
    pictures: Sequence[PictureFeatures],
    effort: Effort,
    verify: Mode,
    explainer: Embedder | None,
) -> dict[str, Any]:
    one, other = pictures
    equal = one.sha256 == other.sha256 or search_query.same_pixels(one.data, other.data, state)
    first, second = SearchQuery.of(one), SearchQuery.of(other)
    penalties = ([view.penalty for view in first.views], [view.penalty for view in second.views])
    found = snapshot.judge.compare(first.vectors, second.vectors, penalties, equal, effort)
    judgement, outcome = judge_pair(
        found.judgement, one.picture.pixels, other.picture.pixels, verify, snapshot.judge, effort
    )
    compared = found.views(first.views, second.views)
    seen = where(compared[found.picture - 1], outcome)
    about = {"verified": outcome.verified, "where": seen and {"picture": found.picture, **seen}}
    if explainer is not None:
        one_part, other_part = (Part.of(view.pixels, view.region, view.turn) for view in compared)
        about["explanation"] = explanation.explain(explainer, one_part, other_part).to_json()
    return search_answers.index_fields(snapshot) | asdict(judgement) | about
