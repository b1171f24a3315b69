"""``/v1``: embeddings of pictures, and the list of models, in the format of OpenAI's API."""

import base64
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from copysight.errors import InvalidArgument, ItemNotFound, PictureError
from copysight.index import Snapshot
from copysight.model.bundle import Bundle
from service.intake import uploads
from service.intake.url_fetch import PictureSource
from service.queries import inference, search_answers
from service.queries.inference import PictureFeatures
from service.routes.scopes import READ
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/v1", tags=["pictures"])
ANY_MODEL = "copysight"
OUTPUTS = ("embedding",)


class EmbeddingsRequest(BaseModel):
    """The request body, with OpenAI's field names. Other fields are ignored."""

    input: str | list[str] = Field(
        description="One picture or several, as data URIs.", examples=["data:image/jpeg;base64,/9j/4AAQSkZJRg…"]
    )
    model: str | None = Field(
        ANY_MODEL, description="`copysight` for any model, or the name or id of the bundle that must answer."
    )
    encoding_format: Literal["float", "base64"] | None = Field(
        "float", description="`float`, or `base64` of little-endian float32. null means `float`."
    )
    dimensions: int | None = Field(None, description="If given, it must be the dimension of the bundle.")


@router.post("/embeddings", dependencies=[READ])
async def embeddings(request: Request, wanted: EmbeddingsRequest) -> Response:
    """Embeddings of pictures in OpenAI's format. It has no errors for single items: a bad picture fails the request."""
    state: State = request.app.state.copysight
    texts = [wanted.input] if isinstance(wanted.input, str) else wanted.input
    most = state.settings.max_items
    if not 0 < len(texts) <= most:
        raise InvalidArgument(f"got {len(texts)} pictures in `input`; it must have 1 to {most}", param="input")
    context = await state.query_context()
    _check(wanted, context.snapshot.bundle)
    pictures = await threads.run(state.searchers, _parse_pictures, texts)
    rows = [
        _or_raise(one, place)
        for place, one in enumerate(await inference.infer(state, context.embedder, pictures, OUTPUTS))
    ]
    data = [
        {"object": "embedding", "index": place, "embedding": _encoded(one, wanted)} for place, one in enumerate(rows)
    ]
    about = {
        **search_answers.index_fields(context.snapshot, context.embedder),
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
    return search_answers.json({"object": "list", "data": data, **about})


@router.get("/models", dependencies=[READ])
async def models(request: Request) -> Response:
    """The models that `model` may name: `copysight`, which stands for the live bundle, and the bundle's name."""
    state: State = request.app.state.copysight
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    names = dict.fromkeys((ANY_MODEL, snapshot.bundle.name))
    return search_answers.json({"object": "list", "data": [_model(name, snapshot) for name in names]})


@router.get("/models/{model:path}", dependencies=[READ])
async def model(request: Request, model: str) -> Response:
    """One model by any name that `POST /v1/embeddings` takes."""
    state: State = request.app.state.copysight
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    if model not in _names(snapshot.bundle):
        raise ItemNotFound(_unknown(model, snapshot.bundle), param="model")
    return search_answers.json(_model(model, snapshot))


def _model(name: str, snapshot: Snapshot) -> dict[str, Any]:
    made = snapshot.generation.manifest.built_at if snapshot.generation else 0
    return {"id": name, "object": "model", "created": int(made), "owned_by": ANY_MODEL}


def _names(bundle: Bundle) -> set[str]:
    return {ANY_MODEL, bundle.name, bundle.id}


def _unknown(name: str, bundle: Bundle) -> str:
    return f"got the model {name[:80]!r}; this server has {bundle.name!r}; use that, or {ANY_MODEL!r}"


def _check(wanted: EmbeddingsRequest, bundle: Bundle) -> None:
    if wanted.model is not None and wanted.model not in _names(bundle):
        raise InvalidArgument(_unknown(wanted.model, bundle), param="model")
    if wanted.dimensions not in {None, bundle.dimension}:
        detail = f"got dimensions = {wanted.dimensions}; this model only has {bundle.dimension}"
        raise InvalidArgument(detail, param="dimensions")


def _parse_pictures(texts: list[str]) -> list[PictureSource]:
    return [uploads.parse_picture(text) for text in texts]


def _or_raise(result: PictureFeatures | PictureError, place: int) -> PictureFeatures:
    if isinstance(result, PictureError):
        data = {**result.data, "param": f"input[{place}]"}
        raise type(result)(f"input[{place}]: {result.message}", **data) from result
    return result


def _encoded(features: PictureFeatures, wanted: EmbeddingsRequest) -> Any:
    if wanted.encoding_format != "base64":
        return features.vector
    return base64.b64encode(features.vector.astype("<f4", copy=False).tobytes()).decode()
