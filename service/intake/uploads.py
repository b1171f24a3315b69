"""Pictures out of requests: multipart, raw bodies, or base64 in JSON."""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from copysight.errors import InvalidArgument, PictureError
from service.http.problems import NotBase64
from service.intake.url_fetch import Given, Url, is_url
from service.runtime.settings import Settings

FORMS = (
    "send pictures as multipart `file` (repeatable), as a raw body with a content type of image/*, or as JSON "
    '{"images": ["<base64 or data URI>"]}'
)
EXAMPLE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mNsYIAAJgaKGAAmCACQtTEKkQAAAABJRU5Erk"
    "Jggg=="
)
"""The smallest picture that is taken: 8 x 8 pixels of grey."""


def body_of(form: Mapping[str, Any] = MappingProxyType({}), json: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """What the OpenAPI text shows of a body of pictures, which FastAPI leaves to us to read.

    ``form`` and ``json``: schemas of the fields that may stand beside them.
    """
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "Pictures, one or more."}
    images = {"type": "array", "items": {"type": "string"}, "description": "As base64, data URI or address."}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _object({"file": files, **form}) | {"required": ["file"]}},
                "image/*": {"schema": {"type": "string", "format": "binary"}},
                "application/json": {
                    "schema": _object({"images": images, **json}),
                    "example": {"images": [EXAMPLE]},
                },
            },
        }
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


@dataclass(frozen=True)
class Body:
    """A request's pictures as bytes, or where to fetch them, or why they cannot be read, in order; its other fields."""

    pictures: Sequence[Given]
    fields: Mapping[str, Any]


async def read(request: Request, settings: Settings, known: Collection[str] = ()) -> Body:
    """Read a request body of any of the three forms. Raises ``InvalidArgument``, ``BodyTooLarge``.

    Fields that are not ``known`` are refused: one that is spelt wrong, `colection` say, would change the answer unseen.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        body = await _multipart(request, settings)
    elif kind == "application/json":
        body = _json(await _bytes(request))
    elif kind.startswith("image/") or kind == "application/octet-stream":
        body = Body([await _bytes(request)], {})
    else:
        raise InvalidArgument(f"got a body of content type {kind or 'none'!r}; {FORMS}")
    check_fields(body.fields, known)
    if len(body.pictures) > settings.max_items:
        raise InvalidArgument(
            f"got {len(body.pictures)} pictures, at most {settings.max_items} are allowed in one request; send several"
        )
    return body


async def pictures(request: Request, settings: Settings, known: Collection[str] = ()) -> Body:
    """Like ``read``, but at least one picture must be there."""
    body = await read(request, settings, known)
    if not body.pictures:
        raise InvalidArgument(f"got no picture; {FORMS}")
    return body


def check_fields(fields: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse what nobody would read. Raises ``InvalidArgument``."""
    if unknown := sorted(set(fields) - set(known)):
        beside = f"known are {', '.join(known)}" if known else "none is known here"
        raise InvalidArgument(f"got the field {unknown[0][:80]!r}; {beside}; options may stand in the address")


async def _bytes(request: Request) -> bytes:
    """The whole body, in half the time of ``Request.body``, which makes a generator of it."""
    message = await request.receive()
    parts = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await request.receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return b"".join(parts)


async def _multipart(request: Request, settings: Settings) -> Body:
    # One more than allowed may come in, so that the answer can say what is wrong.
    form = await request.form(max_files=settings.max_items + 1, max_fields=64, max_part_size=2**20)
    files: list[bytes] = []
    fields: dict[str, Any] = {}
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            if name != "file":
                raise InvalidArgument(f"got a file in the field {name[:80]!r}; pictures belong into `file`")
            files.append(await part.read())
        else:
            fields[name] = part
    return Body(files, fields)


def _json(data: bytes) -> Body:
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got a body that is no JSON ({error}); {FORMS}") from error
    if not isinstance(fields, dict):
        raise InvalidArgument(f"got JSON that is no object; {FORMS}")
    images = fields.pop("images", [])
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise InvalidArgument("got `images` that is no list of texts; needed are base64 texts or data URIs")
    return Body([given(image) for image in images], fields)


def given(text: str) -> Given:
    """A picture that came as base64, as a data URI, or as an address; its error, if it is none of them."""
    try:
        return _decoded(text)
    except PictureError as error:
        return error


def _decoded(text: str) -> bytes | Url:
    if is_url(text):
        return Url(text)
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise NotBase64("got a data URI that is not base64; write data:image/jpeg;base64,…")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error, and what letters outside ASCII raise
        raise NotBase64(
            f"got a text that is no base64 ({error}); send the bytes of a picture file as base64"
        ) from error
