"""``POST /attention``: maps of the attention heads of the last block, or of the object of a picture."""

from io import BytesIO
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from copysight.errors import InvalidArgument, PictureError
from copysight.model import attention_maps as drawing
from service.http.problems import item_error
from service.intake import uploads
from service.queries import attention as queries
from service.queries import search_answers
from service.queries.attention import Method, PictureMaps
from service.routes.scopes import READ
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["pictures"])
METHOD = (
    "`heads`: the attention heads of a vision transformer, over the part of a picture that it sees. `objects`: one map "
    "of the object of the whole picture, found by the patches of any size."
)


@router.post(
    "/attention",
    dependencies=[READ],
    openapi_extra=uploads.body_of(),
    responses={200: {"content": {"application/json": {}, "application/x-npy": {}, "image/png": {}}}},
)
async def attention(
    request: Request,
    method: Annotated[Method, Query(description=METHOD)] = "heads",
    head: int | None = Query(None, ge=0, description="One head, counted from 0. Default: all heads."),
    threshold: float | None = Query(
        None,
        gt=0,
        le=1,
        description="Also return masks: for each map the fewest places that hold this share of it.",
    ),
    format: Literal["json", "npy", "png"] = Query("json", description="`png` and `npy` take one picture."),  # noqa: A002
) -> Response:
    """Attention of [CLS] over the patches in the last block, for each head; or the object of the picture.

    `box` is the part of the picture that the maps cover: left, top, right, bottom in pixels. `png` draws one picture:
    its maps as heat, or with `threshold` its masks; several maps each in a colour. A bundle of a convolutional network
    has no attention, one without patches of any size no objects; the answer is then 409 `output_missing`.
    """
    state: State = request.app.state.copysight
    body = await uploads.pictures(request, state.settings)
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    queries.check(snapshot.bundle, method, head)
    if format != "json" and len(body.pictures) != 1:
        raise InvalidArgument(
            f"got {len(body.pictures)} pictures; the format {format} takes exactly one, json takes several"
        )
    found = await queries.find(state, snapshot, body.pictures, method, head)
    if format == "json":
        items = [_item(one, threshold) for one in found]
        return search_answers.json({**search_answers.index_fields(snapshot), "items": items})
    [only] = found
    if isinstance(only, PictureError):
        raise only
    draw = _npy if format == "npy" else _png
    drawn: Response = await threads.run(state.searchers, draw, only, threshold)
    drawn.headers.update(search_answers.index_headers(snapshot))
    return drawn


def _item(one: PictureMaps | PictureError, threshold: float | None) -> dict[str, Any]:
    if isinstance(one, PictureError):
        return {"error": item_error(one)}
    names, grid = list(one.names), list(one.maps.shape[1:])
    found = {"heads": len(names), "names": names, "grid": grid, "maps": one.maps, "box": list(one.box)}
    return found if threshold is None else found | {"masks": drawing.mass_masks(one.maps, threshold)}


def _npy(one: PictureMaps, threshold: float | None) -> Response:
    out = BytesIO()
    np.save(out, one.maps if threshold is None else drawing.mass_masks(one.maps, threshold))
    return Response(out.getvalue(), media_type="application/x-npy")


def _png(one: PictureMaps, threshold: float | None) -> Response:
    if threshold is not None:
        drawn = drawing.overlay_masks(one.picture, drawing.mass_masks(one.maps, threshold))
    else:
        drawn = drawing.overlay_heat(one.picture, one.maps)
    out = BytesIO()
    drawn.save(out, "PNG")
    return Response(out.getvalue(), media_type="image/png")
