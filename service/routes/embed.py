"""``POST /embed``: embeddings of pictures, and optionally clusters, attention and matches from the same model call."""

from io import BytesIO
from typing import Any

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from copysight.errors import InvalidArgument, PictureError
from copysight.index import Snapshot
from copysight.scoring.verified import DEFAULT_MODE
from service.http.problems import item_error
from service.intake import uploads
from service.queries import inference, search_answers
from service.queries.inference import PictureFeatures
from service.queries.search_options import OPTIONS, SearchOptions
from service.queries.search_query import SearchQuery
from service.routes.scopes import READ
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["pictures"])
INCLUDE = ("clusters", "attention", "search")
RAW, NPY = "application/octet-stream", "application/x-npy"


@router.post(
    "/embed",
    dependencies=[READ],
    openapi_extra=uploads.body_of(),
    responses={200: {"content": {"application/json": {}, RAW: {}, NPY: {}}}},
)
async def embed(
    request: Request,
    include: str = Query(
        "",
        description="Further results, separated by commas: clusters, attention, search.",
        examples=["clusters,search"],
    ),
    k: int = Query(10, ge=1, description="Maximum number of matches of each picture, with `include=search`."),
    min_probability: float | None = Query(
        None, ge=0, le=1, description="Leave out matches with a lower probability, with `include=search`."
    ),
    collection: str | None = Query(None, description="Only matches of this collection, with `include=search`."),
    filter: str | None = Query(None, description="Only matches that pass this filter, as in /search."),  # noqa: A002
) -> Response:
    """Embeddings of pictures, L2-normalised.

    With `Accept: application/octet-stream` the answer is raw float32 (N, D), with `application/x-npy` a NumPy array;
    in both, a bad picture is a row of NaN. `include=search` searches for the whole picture, like `/search?effort=low`.
    """
    state: State = request.app.state.copysight
    wanted = _wanted(include)
    given = (k, min_probability, collection, filter, "low", DEFAULT_MODE, None, False)
    options = SearchOptions.of(dict(zip(OPTIONS, given, strict=True)), {}, state.settings.max_k)
    body = await uploads.pictures(request, state.settings)
    context = await state.query_context()
    snapshot = context.snapshot
    results = await inference.infer(state, context.embedder, body.pictures, _outputs(snapshot, wanted))
    accept = request.headers.get("accept", "")
    if RAW in accept or NPY in accept:
        return _array(snapshot, results, npy=NPY in accept)
    if wanted:
        items = await threads.run(state.searchers, _items, state, snapshot, results, wanted, options)
    else:
        items = _items(state, snapshot, results, wanted, options)  # too little work for a thread
    return search_answers.json(
        {
            **search_answers.index_fields(snapshot, context.embedder),
            "dimension": snapshot.bundle.dimension,
            "items": items,
        }
    )


def _wanted(include: str) -> tuple[str, ...]:
    wanted = tuple(part.strip() for part in include.split(",") if part.strip())
    if unknown := set(wanted) - set(INCLUDE):
        raise InvalidArgument(f"got include={','.join(sorted(unknown))}; known values are {', '.join(INCLUDE)}")
    return wanted


def _outputs(snapshot: Snapshot, wanted: tuple[str, ...]) -> tuple[str, ...]:
    more = ["attention"] if "attention" in wanted else []
    more += ["prototypes"] if "clusters" in wanted and snapshot.bundle.prototypes else []
    return ("embedding", *more)


def _items(
    state: State,
    snapshot: Snapshot,
    results: list[PictureFeatures | PictureError],
    wanted: tuple[str, ...],
    options: SearchOptions,
) -> list[dict[str, Any]]:
    good = [one for one in results if isinstance(one, PictureFeatures)]
    vectors = np.stack([one.vector for one in good]) if good and wanted else None
    parts: list[dict[str, Any]] = [{"embedding": one.features.embedding} for one in good]
    if vectors is not None and "clusters" in wanted:
        found = search_answers.memberships(state, snapshot, vectors)
        for part, one, cluster in zip(parts, good, found, strict=True):
            part |= {"cluster": cluster, "prototypes": search_answers.prototypes(snapshot, one.features.prototypes)}
    if "attention" in wanted:
        for part, one in zip(parts, good, strict=True):
            part["attention"] = one.features.attention
    if vectors is not None and "search" in wanted:
        queries = [SearchQuery.of(one) for one in good]
        for part, answer in zip(parts, search_answers.search(state, snapshot, queries, options), strict=True):
            part.update(answer)
    rest = iter(parts)
    return [next(rest) if isinstance(one, PictureFeatures) else {"error": item_error(one)} for one in results]


def _array(snapshot: Snapshot, results: list[PictureFeatures | PictureError], npy: bool) -> Response:
    rows = np.full((len(results), snapshot.bundle.dimension), np.nan, np.float32)
    headers = search_answers.index_headers(snapshot)
    for row, one in zip(rows, results, strict=True):
        if isinstance(one, PictureFeatures):
            row[:] = one.features.embedding
    if not npy:
        return Response(rows.tobytes(), headers=headers, media_type=RAW)
    out = BytesIO()
    np.save(out, rows)
    return Response(out.getvalue(), headers=headers, media_type=NPY)
