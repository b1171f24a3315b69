"""Response headers: secure defaults for every answer, the request id, and CORS."""

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

Header = tuple[bytes, bytes]
REQUEST_ID = b"x-request-id"
NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content security policy of an answer that is not a page: a browser that shows it loads and runs nothing."""
DEFAULTS = {
    "Content-Security-Policy": NO_CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = ("Accept", "Authorization", "Content-Type", "X-API-Key")
EXPOSED_HEADERS = ("ETag", "Location", "Retry-After", "X-Copysight-Generation", "X-Copysight-Model", "X-Request-Id")


class ResponseHeaders:
    """Default headers of every answer. ``cross_origin``: whether pages of other sites may load answers."""

    def __init__(self, cross_origin: bool) -> None:
        defaults = DEFAULTS | {"Cross-Origin-Resource-Policy": "cross-origin" if cross_origin else "same-origin"}
        self._defaults = [(name.lower().encode(), value.encode()) for name, value in defaults.items()]

    def complete(self, given: Iterable[Header], request_id: str) -> list[Header]:
        """An answer's own headers, the request id, and the defaults that the answer does not set itself."""
        own = list(given)
        names = {name for name, _ in own}
        return [*own, (REQUEST_ID, request_id.encode()), *(one for one in self._defaults if one[0] not in names)]


class Cors(CORSMiddleware):
    """Allow requests from pages of ``origins``. Keys travel in a header set by the page's script, never in a cookie."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(app, origins, METHODS, REQUEST_HEADERS, expose_headers=EXPOSED_HEADERS)
        self.preflight_headers |= DEFAULTS | {"Cross-Origin-Resource-Policy": "cross-origin"}
