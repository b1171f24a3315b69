"""Map errors to HTTP answers: the status table, and problem details as in RFC 9457."""

import logging
import reprlib
from typing import Any, ClassVar, cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from copysight import errors
from copysight.errors import CopysightError, PictureError
from copysight.system import exact_json
from service.http import openai_errors
from service.http.forwarded import route_path
from service.http.system_errors import TooManyFiles, explained, too_many_files
from service.runtime import open_files

log = logging.getLogger("copysight.requests")
MEDIA_TYPE = "application/problem+json"
HMA_PREFIXES = ("/h/", "/m/", "/c/")
"""Paths of HMA's API, whose clients read ``message``."""


class Overloaded(CopysightError):
    """The model's queue is full, or too long for an answer in time. ``after``: seconds until a retry makes sense."""

    code: ClassVar[str] = "overloaded"


class DeadlineExceeded(CopysightError):
    """The request exceeded its deadline."""

    code: ClassVar[str] = "deadline_exceeded"


class BodyTooLarge(CopysightError):
    """The request body exceeds its limit."""

    code: ClassVar[str] = "body_too_large"


class UnsupportedEncoding(CopysightError):
    """The body has a ``Content-Encoding`` that the server does not decode."""

    code: ClassVar[str] = "unsupported_encoding"


class NotBase64(PictureError):
    """A text given as a picture is neither base64 nor a data URI nor a URL."""

    code: ClassVar[str] = "not_base64"


class DecoderCrashed(PictureError):
    """The process that decoded the picture crashed, or sent an invalid answer."""

    code: ClassVar[str] = "decoder_crashed"


class DecoderTooSlow(PictureError):
    """Decoding the picture exceeded its time limit."""

    code: ClassVar[str] = "decoder_too_slow"


class DecoderOutOfMemory(PictureError):
    """Decoding the picture exceeded its memory limit."""

    code: ClassVar[str] = "decoder_out_of_memory"


class KeyMissing(CopysightError):
    """The server needs an API key and the request has none."""

    code: ClassVar[str] = "key_missing"


class KeyUnknown(CopysightError):
    """The API key does not exist, or was revoked."""

    code: ClassVar[str] = "key_unknown"


class KeyExpired(CopysightError):
    """The API key was valid up to a time that has passed."""

    code: ClassVar[str] = "key_expired"


class QuotaExceeded(CopysightError):
    """The API key has used up its requests of today. ``after``: seconds until the next day (UTC)."""

    code: ClassVar[str] = "quota_exceeded"


class BankExists(CopysightError):
    """A list of this name exists already (HMA's paths)."""

    code: ClassVar[str] = "bank_exists"


class ScopeMissing(CopysightError):
    """The scope of the API key does not include this call."""

    code: ClassVar[str] = "scope_missing"


class SiteRefused(CopysightError):
    """A browser sent the request for a page of another site, and the server has no API keys."""

    code: ClassVar[str] = "site_refused"


class UrlRefused(PictureError):
    """The server may not fetch this URL."""

    code: ClassVar[str] = "url_refused"


class FetchFailed(PictureError):
    """The URL returned no picture."""

    code: ClassVar[str] = "fetch_failed"


class NotReady(CopysightError):
    """The service cannot answer searches now."""

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
    errors.ReviewConflict: 409,
    errors.InvalidArgument: 400,
    errors.RequestError: 400,
    NotBase64: 400,
    DecoderCrashed: 422,
    DecoderTooSlow: 422,
    DecoderOutOfMemory: 413,
    KeyMissing: 401,
    KeyUnknown: 401,
    KeyExpired: 401,
    QuotaExceeded: 429,
    BankExists: 403,
    ScopeMissing: 403,
    SiteRefused: 403,
    UrlRefused: 403,
    FetchFailed: 502,
    BodyTooLarge: 413,
    UnsupportedEncoding: 415,
    Overloaded: 503,
    TooManyFiles: 503,
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
    for status, description in (
        ("4XX", "The request is not valid, or not allowed."),
        ("5XX", "The service cannot answer."),
    )
}
"""Error responses of every call in the OpenAPI document."""
UNEXPECTED = "internal_error"


def status_of(error: CopysightError) -> int:
    """HTTP status of an error: that of its nearest base class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def item_error(error: CopysightError) -> dict[str, str]:
    """The error of one item of a batch, as JSON."""
    return {"code": error.code, "detail": error.message}


def preview(given: object) -> str:
    """A value for an error message: at most 80 characters, and safe for values nested too deep for ``repr``."""
    return (given if isinstance(given, str) else reprlib.repr(given))[:80]


def problem(
    scope: Scope, status: int, code: str, detail: str, headers: dict[str, str] | None = None, param: str | None = None
) -> Response:
    """Problem details as in RFC 9457, with our stable ``code``.

    The calls of OpenAI's API also have its ``error``, those of HMA its ``message``. ``param``: the name of the field
    that is wrong.
    """
    body: dict[str, Any] = {"type": f"urn:copysight:{code}", "title": code.replace("_", " "), "status": status}
    body |= {"code": code, "detail": detail}
    if openai_errors.applies(route_path(scope)):
        body["error"] = openai_errors.error(status, code, detail, param)
    if route_path(scope).startswith(HMA_PREFIXES):
        body["message"] = detail
    return Response(exact_json.dumps(body), status, headers, media_type=MEDIA_TYPE)


async def on_domain_error(request: Request, error: Exception) -> Response:
    """Answer a domain error by the table."""
    known = cast(CopysightError, error)
    if isinstance(known, errors.NotWritable) and open_files.exhausted():  # SQLite says "unable to open" for both
        known = too_many_files()
    request.state.code = known.code
    status, param = status_of(known), known.data.get("param")
    name = None if param is None else str(param)
    return problem(request.scope, status, known.code, known.message, _headers(status, known), name)


def _headers(status: int, error: CopysightError) -> dict[str, str] | None:
    """Headers of an error answer."""
    if status in {429, 503}:
        return {"Retry-After": str(error.data.get("after", 1))}
    if isinstance(error, UnsupportedEncoding):
        return {"Accept-Encoding": "gzip"}
    return {"WWW-Authenticate": "Bearer"} if status == 401 else None


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer an error of the framework (unknown path, body that cannot be parsed) in the same form."""
    known = cast(HTTPException, error)
    if isinstance(known.__cause__, CopysightError):  # raised while FastAPI read the body: too large, for example
        return await on_domain_error(request, known.__cause__)
    code, detail = "bad_request", f"got a request that cannot be parsed: {known.detail}"
    if known.status_code == 404:
        code, detail = "not_found", f"got the unknown path {request.url.path[:200]}; /docs lists all calls"
    request.state.code = code
    return problem(request.scope, known.status_code, code, detail, dict(known.headers or {}))


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer parameters or a body that do not match the schema."""
    found = cast(RequestValidationError, error).errors()
    request.state.code = errors.InvalidArgument.code
    hint = _content_type_hint(request) if any(one["loc"][0] == "body" for one in found) else ""
    detail = "; ".join(map(_validation_detail, found)) + hint
    param = ".".join(map(str, found[0]["loc"][1:])) or None
    return problem(request.scope, 400, errors.InvalidArgument.code, detail, param=param)


async def on_unexpected(request: Request, _error: Exception) -> Response:
    """Answer a defect of the service. The framework raises the error again, and the gateway logs it."""
    request.state.code = UNEXPECTED
    return internal_error(request.scope)


async def on_system_error(request: Request, error: Exception) -> Response:
    """Answer an error of the operating system that the operator can mend. Raises any other again."""
    known = explained(cast(OSError, error))
    if known is None:
        raise error
    log.error("%s", known.message, extra={"fields": {"cause": repr(error)[:200]}})
    return await on_domain_error(request, known)


HANDLERS: dict[Any, Any] = {
    CopysightError: on_domain_error,
    HTTPException: on_http_error,
    RequestValidationError: on_invalid,
    OSError: on_system_error,
}
"""Handler of each error class, for FastAPI and for the direct routes."""


async def error_response(request: Request, error: Exception) -> Response:
    """The answer to an error. Raises the error again if it has no handler: a defect of the service."""
    for kind, handler in HANDLERS.items():
        if isinstance(error, kind):
            return cast(Response, await handler(request, error))
    raise error


def internal_error(scope: Scope) -> Response:
    """The answer to a defect of the service. It reveals no details."""
    detail = "an unexpected error occurred in the server; its log has the details under this request's X-Request-Id"
    return problem(scope, 500, UNEXPECTED, detail)


def _validation_detail(one: dict[str, Any]) -> str:
    """One validation error: what was got, and what is needed."""
    place, *names = one["loc"]
    if one["type"] == "json_invalid":
        return f"got a body that is not valid JSON ({one['ctx']['error']})"
    name = ".".join(map(str, names)) or place
    if one["type"] == "missing":
        where = "as a query parameter" if place == "query" else f"in the {place}"
        return f"got no {name!r}; it is required {where}"
    return f"got {name} = {preview(one['input'])}; {one['msg'][:1].lower()}{one['msg'][1:]}"


def _content_type_hint(request: Request) -> str:
    kind = request.headers.get("content-type", "")
    return "" if "json" in kind else f"; got the content type {kind[:80] or 'none'!r}; send application/json"
