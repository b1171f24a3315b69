"""Answer 304 to a request whose ``If-None-Match`` names the representation that the client has (RFC 9110, 13.1.2)."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

ENTITY_TAG = re.compile(r'(?:[Ww]/)?("[^"]*")')


def unchanged(request: Request, etag: str) -> bool:
    """Whether the client has the representation ``etag``. Tags are compared weakly: ``W/"a"`` equals ``"a"``."""
    given = ",".join(request.headers.getlist("if-none-match")).strip()
    if not given:
        return False
    return given == "*" or etag.removeprefix("W/") in ENTITY_TAG.findall(given)


def not_modified(headers: Mapping[str, str]) -> Response:
    """The answer 304. ``headers`` are those that the answer 200 would have: ETag, Cache-Control, Vary."""
    return Response(status_code=304, headers=dict(headers))
