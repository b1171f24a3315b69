"""From an error to an answer: the one table, and the form of RFC 9457."""

import reprlib
from typing import Any, ClassVar, cast

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from copysight import errors
from copysight.errors import CopysightError, PictureError

MEDIA_TYPE = "application/problem+json"


class Overloaded(CopysightError):
    """The queue before the model is full, or too long for an answer in time; ``after`` tells when to come back."""

    code: ClassVar[str] = "overloaded"


class DeadlineExceeded(CopysightError):
    """The request took longer than it may."""

    code: ClassVar[str] = "deadline_exceeded"


class BodyTooLarge(CopysightError):
    """The request has more bytes than it may."""

    code: ClassVar[str] = "body_too_large"


class NotBase64(PictureError):
    """A text in the place of a picture is none: no base64, no data URI, no address."""

    code: ClassVar[str] = "not_base64"


class DecoderCrashed(PictureError):
    """The process that decoded the picture ended, or answered nonsense."""

    code: ClassVar[str] = "decoder_crashed"


class DecoderTooSlow(PictureError):
    """The picture took longer to decode than one may."""

    code: ClassVar[str] = "decoder_too_slow"


class DecoderOutOfMemory(PictureError):
    """The picture took more memory to decode than one may."""

    code: ClassVar[str] = "decoder_out_of_memory"


class KeyMissing(CopysightError):
    """A key is needed and none came."""

    code: ClassVar[str] = "key_missing"


class KeyUnknown(CopysightError):
    """The key is not one of ours, or was revoked."""

    code: ClassVar[str] = "key_unknown"


class ScopeMissing(CopysightError):
    """The key may not do this."""

    code: ClassVar[str] = "scope_missing"


class SiteRefused(CopysightError):
    """A browser asks on behalf of a page that is not this server's, and no key says that it may."""

    code: ClassVar[str] = "site_refused"


class UrlRefused(PictureError):
    """The address may not be fetched from."""

    code: ClassVar[str] = "url_refused"


class FetchFailed(PictureError):
    """The address gave no picture."""

    code: ClassVar[str] = "fetch_failed"


class NotReady(CopysightError):
    """The service cannot answer searches at the moment."""

    code: ClassVar[str] = "not_ready"


STATUS: dict[type[CopysightError], int] = {
    errors.EmptyPicture: 400,
    errors.UnsupportedFormat: 415,
    errors.CorruptPicture: 422,
    errors.PictureTooSmall: 422,
    errors.TooManyBytes: 413,
    errors.TooManyPixels: 413,
    errors.OutputMissing: 409,
    errors.BundleError: 503,
    errors.PublisherBusy: 409,
    errors.BundleMismatch: 409,
    errors.NoGeneration: 409,
    errors.GateFailed: 409,
    errors.OriginalsMissing: 409,
    errors.IndexFault: 503,
    errors.ItemNotFound: 404,
    errors.KeyConflict: 409,
    errors.InvalidArgument: 400,
    errors.RequestError: 400,
    NotBase64: 400,
    DecoderCrashed: 422,
    DecoderTooSlow: 422,
    DecoderOutOfMemory: 413,
    KeyMissing: 401,
    KeyUnknown: 401,
    ScopeMissing: 403,
    SiteRefused: 403,
    UrlRefused: 403,
    FetchFailed: 502,
    BodyTooLarge: 413,
    Overloaded: 503,
    NotReady: 503,
    DeadlineExceeded: 504,
    CopysightError: 500,
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {name: {"type": "string"} for name in ("type", "title", "code", "detail")}
    | {"status": {"type": "integer"}},
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
    for status, description in (("4XX", "It cannot be answered as asked."), ("5XX", "The service cannot answer."))
}
"""What the OpenAPI text says of the errors of every call."""
UNEXPECTED = "internal_error"


def status_of(error: CopysightError) -> int:
    """HTTP status of an error: that of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def item_error(error: CopysightError) -> dict[str, str]:
    """The error of one item of a batch."""
    return {"code": error.code, "detail": error.message}


def shown(given: object) -> str:
    """What was got, in a message: of at most 80 letters, and never deeper than Python can write out."""
    return (given if isinstance(given, str) else reprlib.repr(given))[:80]


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An answer in the form of RFC 9457, with our stable ``code``."""
    body = {"type": f"urn:copysight:{code}", "title": code.replace("_", " "), "status": status, "code": code}
    content = orjson.dumps(body | {"detail": detail})
    return Response(content, status, headers, media_type=MEDIA_TYPE)


async def on_domain_error(request: Request, error: Exception) -> Response:
    """Domain errors, by the table."""
    known = cast(CopysightError, error)
    request.state.code = known.code
    status = status_of(known)
    return problem(status, known.code, known.message, _headers(status, known))


def _headers(status: int, error: CopysightError) -> dict[str, str] | None:
    """What an error of a status says beside its body."""
    if status == 503:
        return {"Retry-After": str(error.data.get("after", 1))}
    return {"WWW-Authenticate": "Bearer"} if status == 401 else None


async def on_http_error(request: Request, error: Exception) -> Response:
    """Errors of the framework (no such path, a body that does not parse), in the same form."""
    known = cast(HTTPException, error)
    code, detail = "bad_request", f"got a request that cannot be read: {known.detail}"
    if known.status_code == 404:
        code, detail = "not_found", f"got {request.url.path[:200]}, which is no path here; /docs lists all calls"
    request.state.code = code
    return problem(known.status_code, code, detail, dict(known.headers or {}))


async def on_invalid(request: Request, error: Exception) -> Response:
    """A parameter that the schema does not allow."""
    found = cast(RequestValidationError, error).errors()
    request.state.code = errors.InvalidArgument.code
    hint = _hint(request) if any(one["loc"][0] == "body" for one in found) else ""
    return problem(400, errors.InvalidArgument.code, "; ".join(map(_wrong, found)) + hint)


HANDLERS: dict[Any, Any] = {
    CopysightError: on_domain_error,
    HTTPException: on_http_error,
    RequestValidationError: on_invalid,
}
"""Who answers which error; FastAPI is given the same."""


async def answered(request: Request, error: Exception) -> Response:
    """The answer to an error; one that is not in the table is raised again: a defect of ours."""
    for kind, handler in HANDLERS.items():
        if isinstance(error, kind):
            return cast(Response, await handler(request, error))
    raise error


def unexpected() -> Response:
    """A defect of ours: no detail leaves the house."""
    return problem(500, UNEXPECTED, "something went wrong here; the log has the details under the request's id")


def _wrong(one: dict[str, Any]) -> str:
    """One thing that does not fit: what was got, and what is needed."""
    place, *names = one["loc"]
    if one["type"] == "json_invalid":
        return f"got a body that is no JSON ({one['ctx']['error']})"
    name = ".".join(map(str, names)) or place
    if one["type"] == "missing":
        return f"got no {name!r}; it is needed in the {'address' if place == 'query' else place}"
    return f"got {name} = {shown(one['input'])}; {one['msg'][:1].lower()}{one['msg'][1:]}"


def _hint(request: Request) -> str:
    kind = request.headers.get("content-type", "")
    return "" if "json" in kind else f"; got a body of content type {kind[:80] or 'none'!r}, needed is application/json"
