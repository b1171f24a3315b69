"""``POST /attention``: what each head of the last block looks at."""

from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request
from PIL import Image
from starlette.responses import Response

from copysight.errors import InvalidArgument
from copysight.model import attention_maps as drawing
from copysight.model.bundle import Attention
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import crop_box as seen_box
from service.http.problems import item_error
from service.intake import uploads
from service.queries import inference, search_answers
from service.queries.inference import Seen
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
    head: int | None = Query(None, ge=0, description="One head, from 0; default: all."),
    threshold: float | None = Query(None, gt=0, le=1, description="Masks that hold this share of each head's mass."),
    format: Literal["json", "npy", "png"] = Query("json", description="png, npy: of one picture."),  # noqa: A002
) -> Response:
    """Attention of [CLS] over the patches in the last block, per head; `box` is the part of the picture it covers.

    `png` draws one picture: all heads in their colours, or one head as light. A bundle of a convolutional network has
    no attention: 409, `output_missing`.
    """
    state: State = request.app.state.copysight
    body = await uploads.pictures(request, state.settings)
    snapshot = await threads.on(state.searchers, state.index.snapshot)
    about = snapshot.bundle.attention
    if about is None:
        raise snapshot.bundle.missing("attention")
    if head is not None and head >= about.heads:
        raise InvalidArgument(f"got head {head}; needed is one from 0 to {about.heads - 1}, or none for all of them")
    embedder = await threads.on(state.searchers, state.embedder, snapshot)
    if format == "json":
        seen = await inference.infer(state, embedder, body.pictures, ("attention",))
        items = [_item(embedder, about, one, head, threshold) for one in seen]
        return search_answers.json({**search_answers.head(snapshot), "items": items})
    if len(body.pictures) != 1:
        raise InvalidArgument(f"got {len(body.pictures)} pictures; {format} answers about one, json about many")
    only = await inference.infer_one(state, embedder, body.pictures[0], ("attention",))
    draw = _npy if format == "npy" else _png
    drawn: Response = await threads.on(state.searchers, draw, embedder, only, head, threshold)
    drawn.headers.update(search_answers.stamp(snapshot))
    return drawn


def _maps(seen: Seen, head: int | None) -> Float:
    maps = np.asarray(seen.features.attention)
    return maps if head is None else maps[head : head + 1]


def _item(embedder: Embedder, about: Attention, seen: Any, head: int | None, threshold: float | None) -> dict[str, Any]:
    if not isinstance(seen, Seen):
        return {"error": item_error(seen)}
    maps = _maps(seen, head)
    found = {"heads": len(maps), "grid": list(about.grid), "maps": maps, "box": _box(embedder, seen)}
    return found if threshold is None else found | {"masks": drawing.mass_masks(maps, threshold)}


def _npy(embedder: Embedder, seen: Seen, head: int | None, threshold: float | None) -> Response:  # noqa: ARG001
    maps = _maps(seen, head)
    out = BytesIO()
    np.save(out, maps if threshold is None else drawing.mass_masks(maps, threshold))
    return Response(out.getvalue(), media_type="application/x-npy")


def _png(embedder: Embedder, seen: Seen, head: int | None, threshold: float | None) -> Response:
    maps = _maps(seen, head)
    picture = _covered(embedder, seen)
    if head is not None and threshold is None:
        drawn = drawing.heat(picture, maps[0])
    else:
        drawn = drawing.tint(picture, drawing.mass_masks(maps, threshold or 0.6))
    out = BytesIO()
    drawn.save(out, "PNG")
    return Response(out.getvalue(), media_type="image/png")


def _covered(embedder: Embedder, seen: Seen) -> Image.Image:
    """The part of the decoded picture that the maps cover."""
    pixels = seen.picture.pixels
    preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
    left, top, right, bottom = (round(value) for value in seen_box(pixels.width, pixels.height, preprocess))
    return pixels.crop((left, top, right, bottom))


def _box(embedder: Embedder, seen: Seen) -> list[float]:
    preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
    return list(seen_box(seen.picture.width, seen.picture.height, preprocess))
