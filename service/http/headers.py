"""What every answer says to browsers: load nothing, frame nothing, guess nothing; and which other sites may ask."""

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

Header = tuple[bytes, bytes]
NUMBER = b"x-request-id"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""Policy of an answer that is no page: were it shown as one, it could load and run nothing."""
ALWAYS = {
    "Content-Security-Policy": NOTHING,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
METHODS = ("GET", "POST", "PATCH", "DELETE")
ASKED = ("Accept", "Authorization", "Content-Type", "X-API-Key")
ANSWERED = ("ETag", "Location", "Retry-After", "X-Copysight-Generation", "X-Copysight-Model", "X-Request-Id")


class Headers:
    """What every answer says beside its own; ``others``: whether other sites may load answers."""

    def __init__(self, others: bool) -> None:
        always = ALWAYS | {"Cross-Origin-Resource-Policy": "cross-origin" if others else "same-origin"}
        self._always = [(name.lower().encode(), value.encode()) for name, value in always.items()]

    def completed(self, given: Iterable[Header], number: str) -> list[Header]:
        """An answer's own headers, the request's ``number``, and what the answer does not say itself."""
        own = list(given)
        said = {name for name, _ in own}
        return [*own, (NUMBER, number.encode()), *(one for one in self._always if one[0] not in said)]


class Cors(CORSMiddleware):
    """Lets pages of ``origins`` ask. Keys travel in a header that their scripts set, so no cookie is ever allowed."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(app, origins, METHODS, ASKED, expose_headers=ANSWERED)
        self.preflight_headers |= ALWAYS | {"Cross-Origin-Resource-Policy": "cross-origin"}
