"""Read pictures and fields from a request body: multipart, raw bytes, or base64 in JSON."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from copysight.errors import InvalidArgument, PictureError
from copysight.system import exact_json
from service.intake import base64_text
from service.intake.url_fetch import PictureSource, Url, is_url
from service.runtime.settings import Settings

FORMS = (
    "send pictures as multipart `file` (repeatable), as a raw body with a content type of image/*, or as JSON "
    '{"images": ["<base64 or data URI>"]}'
)
EXAMPLE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mNsYIAAJgaKGAAmCACQtTEKkQAAAABJRU5Erk"
    "Jggg=="
)
"""The smallest accepted picture: 8 x 8 grey pixels."""


def body_of(form: Mapping[str, Any] = MappingProxyType({}), json: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """The OpenAPI schema of a body with pictures. The routes read such bodies themselves, not FastAPI.

    ``form`` and ``json``: schemas of the additional fields.
    """
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "One or more pictures."}
    images = {"type": "array", "items": {"type": "string"}, "description": "Pictures as base64, data URIs or URLs."}
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
    """The pictures of a request in order (bytes, a URL, or an error) and its other fields."""

    pictures: Sequence[PictureSource]
    fields: Mapping[str, Any]


async def read(request: Request, settings: Settings, known: Collection[str] = ()) -> Body:
    """Read a request body of any of the three forms. Raises ``InvalidArgument``, ``BodyTooLarge``.

    Fields that are not ``known`` are refused: a typo such as `colection` would otherwise silently change the answer.
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
            f"got {len(body.pictures)} pictures; a request may have at most {settings.max_items}; send several requests"
        )
    return body


async def pictures(request: Request, settings: Settings, known: Collection[str] = ()) -> Body:
    """Like ``read``, but requires at least one picture."""
    body = await read(request, settings, known)
    if not body.pictures:
        raise InvalidArgument(f"got no picture; {FORMS}")
    return body


async def photo(request: Request, settings: Settings, field: str) -> tuple[bytes, Mapping[str, Any]]:
    """The one file of a multipart body, in a field of this name, and the other fields. Raises ``InvalidArgument``."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise InvalidArgument(
            f"got a body of content type {kind or 'none'!r}; send multipart with the file in {field!r}"
        )
    body = await _multipart(request, settings, field)
    if len(body.pictures) != 1 or not isinstance(body.pictures[0], bytes):
        raise InvalidArgument(f"got {len(body.pictures)} files; send exactly one in the field {field!r}")
    return body.pictures[0], body.fields


def json_object(given: object, name: str) -> dict[str, Any] | None:
    """A JSON object from a field of a form or of the query; None if it is missing. Raises ``InvalidArgument``."""
    if given is None:
        return None
    try:
        found = exact_json.loads(given) if isinstance(given, str) else given
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got {name} that is not valid JSON ({error}); write a JSON object") from error
    if not isinstance(found, dict):
        raise InvalidArgument(f"got {name} that is not a JSON object")
    return found


def check_fields(fields: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse unknown fields. Raises ``InvalidArgument``."""
    if unknown := sorted(set(fields) - set(known)):
        names = f"known fields are {', '.join(known)}" if known else "no other fields are known here"
        raise InvalidArgument(f"got the unknown field {unknown[0][:80]!r}; {names}; options may be query parameters")


async def _bytes(request: Request) -> bytes:
    """The whole body. Takes half the time of ``Request.body``, which uses a generator."""
    message = await request.receive()
    parts = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await request.receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return b"".join(parts)


class _InMemory(MultiPartParser):
    """Keep the files of a form in memory, which ``COPYSIGHT_MAX_BODIES`` limits. The temporary folder may be full."""

    spool_max_size = 0  # the word of `SpooledTemporaryFile` for: never move to a file


async def _multipart(request: Request, settings: Settings, field: str = "file") -> Body:
    # One file more than allowed is accepted here, so that the error message can name the limit.
    limits = {"max_files": settings.max_items + 1, "max_fields": 64, "max_part_size": 2**20}
    try:
        form = await _InMemory(request.headers, request.stream(), **limits).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error
    files: list[bytes] = []
    fields: dict[str, Any] = {}
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            if name != field:
                raise InvalidArgument(f"got a file in the field {name[:80]!r}; send pictures in the field `{field}`")
            files.append(await part.read())
        else:
            fields[name] = part
    return Body(files, fields)


def _json(data: bytes) -> Body:
    try:
        fields = exact_json.loads(data, "metadata")
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got a body that is not valid JSON ({error}); {FORMS}") from error
    if not isinstance(fields, dict):
        raise InvalidArgument(f"got JSON that is not an object; {FORMS}")
    images = fields.pop("images", [])
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise InvalidArgument("got `images` that is not a list of strings; send base64 strings or data URIs")
    return Body([parse_picture(image) for image in images], fields)


def parse_picture(text: str) -> PictureSource:
    """A picture from base64, a data URI or a URL; its error if the text is none of them."""
    try:
        return _bytes_or_url(text)
    except PictureError as error:
        return error


def _bytes_or_url(text: str) -> bytes | Url:
    if is_url(text):
        return Url(text)
    return base64_text.decoded(text)
