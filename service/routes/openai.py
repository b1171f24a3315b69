"""``POST /v1/embeddings``: embeddings in the shape that clients of OpenAI's API read, of pictures."""

import base64
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from copysight.errors import InvalidArgument, PictureError
from copysight.model.bundle import Bundle
from service.intake import uploads
from service.intake.url_fetch import Given
from service.queries import inference, search_answers
from service.queries.inference import Seen
from service.routes.scopes import READ
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/v1", tags=["pictures"])
ANY = "copysight"
OUTPUTS = ("embedding",)


class Wanted(BaseModel):
    """The body, as OpenAI names its fields; others are left aside."""

    input: str | list[str] = Field(
        description="A picture, or several, as data URIs.", examples=["data:image/jpeg;base64,/9j/4AAQSkZJRg…"]
    )
    model: str = Field(ANY, description="`copysight`, or the name or id of the bundle that must answer.")
    encoding_format: Literal["float", "base64"] = Field("float", description="base64: of raw float32, little-endian.")
    dimensions: int | None = Field(None, description="If given, the dimension that the bundle has.")


@router.post("/embeddings", dependencies=[READ])
async def embeddings(request: Request, wanted: Wanted) -> Response:
    """Embeddings of pictures in OpenAI's shape, which knows no error of one item: a bad picture fails the request."""
    state: State = request.app.state.copysight
    texts = [wanted.input] if isinstance(wanted.input, str) else wanted.input
    most = state.settings.max_items
    if not 0 < len(texts) <= most:
        raise InvalidArgument(f"got {len(texts)} pictures in `input`; needed are 1 to {most}")
    opened = await state.opened()
    _check(wanted, opened.snapshot.bundle)
    pictures = await threads.on(state.searchers, _given, texts)
    rows = [
        _good(one, place) for place, one in enumerate(await inference.infer(state, opened.embedder, pictures, OUTPUTS))
    ]
    data = [
        {"object": "embedding", "index": place, "embedding": _encoded(one, wanted)} for place, one in enumerate(rows)
    ]
    about = {**search_answers.head(opened.snapshot, opened.embedder), "usage": {"prompt_tokens": 0, "total_tokens": 0}}
    return search_answers.json({"object": "list", "data": data, **about})


def _check(wanted: Wanted, bundle: Bundle) -> None:
    if wanted.model not in {ANY, bundle.name, bundle.id}:
        raise InvalidArgument(f"got the model {wanted.model[:80]!r}; here answers {bundle.name!r}, or write {ANY!r}")
    if wanted.dimensions not in {None, bundle.dimension}:
        raise InvalidArgument(f"got dimensions = {wanted.dimensions}; this model has {bundle.dimension}, and no others")


def _given(texts: list[str]) -> list[Given]:
    return [uploads.given(text) for text in texts]


def _good(seen: Seen | PictureError, place: int) -> Seen:
    if isinstance(seen, PictureError):
        raise type(seen)(f"input[{place}]: {seen.message}", **seen.data) from seen
    return seen


def _encoded(seen: Seen, wanted: Wanted) -> Any:
    if wanted.encoding_format == "float":
        return seen.vector
    return base64.b64encode(seen.vector.astype("<f4", copy=False).tobytes()).decode()
