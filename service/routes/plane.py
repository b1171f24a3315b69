"""``GET /map``: the stored 2-D map of the items, for the Map view of the page and for other plots."""

from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from copysight.curation import points
from copysight.curation.points import Points
from service.queries import search_answers
from service.routes.scopes import READ
from service.runtime import threads
from service.state import State

router = APIRouter()
DIGITS = 4


@router.get("/map", dependencies=[READ])
async def plane(
    request: Request,
    collection: str | None = Query(None, min_length=1, max_length=255, description="Only items of this collection."),
    field: str | None = Query(
        None,
        min_length=1,
        max_length=255,
        description="Also the values of this field: " + ", ".join(points.FIELDS) + ", or one of the metadata.",
    ),
) -> Response:
    """The place of each item on the 2-D map that `copysight index export --map` has made, within -1 and 1.

    All lists have the same order and length. `made` is false if the index has no map; the lists are empty then. Items
    that were added since the map was made are not on it. `cluster` is null for items that are in no cluster yet.
    """
    state: State = request.app.state.copysight
    return search_answers.json(await threads.run(state.searchers, _map, state, collection, field))


def _map(state: State, collection: str | None, field: str | None) -> dict[str, Any]:
    index = state.index
    found = points.read(index, collection, field)
    names = index.catalog.names.all()
    fields = [*points.FIELDS, *index.catalog.fields.names()]
    lists = _lists(found, field) if found is not None else {name: [] for name in ("id", "key", "x", "y", "cluster")}
    return {
        **search_answers.index_fields(index.snapshot()),
        "made": found is not None,
        "fields": fields,
        "names": {str(number): name for number, name in names.items()},
        **lists,
    }


def _lists(found: Points, field: str | None) -> dict[str, Any]:
    x, y = found.places.round(DIGITS).astype(float).T.tolist() if len(found.ids) else ([], [])
    clusters = [None if one == points.NO_CLUSTER else one for one in found.clusters.tolist()]
    lists = {
        "id": found.ids.tolist(),
        "key": found.keys,
        "x": [round(one, DIGITS) for one in x],
        "y": [round(one, DIGITS) for one in y],
        "cluster": clusters,
    }
    return lists if field is None else {**lists, "value": found.values}
