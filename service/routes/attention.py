"""``POST /attention``: attention maps of the heads of the last block."""

from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request
from PIL import Image
from starlette.responses import Response

from copysight.errors import InvalidArgument
from copysight.model import attention_maps as drawing
from copysight.model.embedder import Embedder
from copysight.model.outputs import Attention
from copysight.pictures.preprocess import crop_box as seen_box
from service.http.problems import item_error
from service.intake import uploads
from service.queries import inference, search_answers
from service.queries.inference import PictureFeatures
from service.routes.scopes import READ
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["pictures"])
Float = npt.NDArray[np.float32]


@router.post(
    "/attention",
    dependencies=[READ],
    openapi_extra=uploads.body_of(),
    responses={200: {"content": {"application/json": {}, "application/x-npy": {}, "image/png": {}}}},
)
async def attention(
    request: Request,
    head: int | None = Query(None, ge=0, description="One head, counted from 0. Default: all heads."),
    threshold: float | None = Query(
        None,
        gt=0,
        le=1,
        description="Also return masks: for each head the fewest patches that hold this share of its attention.",
    ),
    format: Literal["json", "npy", "png"] = Query("json", description="`png` and `npy` take one picture."),  # noqa: A002
) -> Response:
    """Attention of [CLS] over the patches in the last block, for each head.

    `box` is the part of the picture that the maps cover: left, top, right, bottom in pixels. `png` draws one picture:
    all heads, each in its colour, or one head as brightness. A bundle of a convolutional network has no attention; the
    answer is then 409 `output_missing`.
    """
    state: State = request.app.state.copysight
    body = await uploads.pictures(request, state.settings)
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    about = snapshot.bundle.attention
    if about is None:
        raise snapshot.bundle.missing("attention")
    if head is not None and head >= about.heads:
        raise InvalidArgument(f"got head {head}; it must be from 0 to {about.heads - 1}, or left out for all heads")
    embedder = await threads.run(state.searchers, state.embedder, snapshot)
    if format == "json":
        results = await inference.infer(state, embedder, body.pictures, ("attention",))
        items = [_item(embedder, about, one, head, threshold) for one in results]
        return search_answers.json({**search_answers.index_fields(snapshot), "items": items})
    if len(body.pictures) != 1:
        raise InvalidArgument(
            f"got {len(body.pictures)} pictures; the format {format} takes exactly one, json takes several"
        )
    only = await inference.infer_one(state, embedder, body.pictures[0], ("attention",))
    draw = _npy if format == "npy" else _png
    drawn: Response = await threads.run(state.searchers, draw, embedder, only, head, threshold)
    drawn.headers.update(search_answers.index_headers(snapshot))
    return drawn


def _maps(picture: PictureFeatures, head: int | None) -> Float:
    maps = np.asarray(picture.features.attention)
    return maps if head is None else maps[head : head + 1]


def _item(
    embedder: Embedder, about: Attention, result: Any, head: int | None, threshold: float | None
) -> dict[str, Any]:
    if not isinstance(result, PictureFeatures):
        return {"error": item_error(result)}
    maps = _maps(result, head)
    found = {"heads": len(maps), "grid": list(about.grid), "maps": maps, "box": _box(embedder, result)}
    return found if threshold is None else found | {"masks": drawing.mass_masks(maps, threshold)}


def _npy(
    embedder: Embedder,  # noqa: ARG001
    result: PictureFeatures,
    head: int | None,
    threshold: float | None,
) -> Response:
    maps = _maps(result, head)
    out = BytesIO()
    np.save(out, maps if threshold is None else drawing.mass_masks(maps, threshold))
    return Response(out.getvalue(), media_type="application/x-npy")


def _png(embedder: Embedder, result: PictureFeatures, head: int | None, threshold: float | None) -> Response:
    maps = _maps(result, head)
    picture = _covered(embedder, result)
    if head is not None and threshold is None:
        drawn = drawing.heatmap(picture, maps[0])
    else:
        drawn = drawing.overlay_masks(picture, drawing.mass_masks(maps, threshold or 0.6))
    out = BytesIO()
    drawn.save(out, "PNG")
    return Response(out.getvalue(), media_type="image/png")


def _covered(embedder: Embedder, result: PictureFeatures) -> Image.Image:
    """The part of the decoded picture that the maps cover."""
    pixels = result.picture.pixels
    preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
    left, top, right, bottom = (round(value) for value in seen_box(pixels.width, pixels.height, preprocess))
    return pixels.crop((left, top, right, bottom))


def _box(embedder: Embedder, result: PictureFeatures) -> list[float]:
    preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
    return list(seen_box(result.picture.width, result.picture.height, preprocess))
