"""What every answer says to browsers: load nothing, frame nothing, guess nothing; and which other sites may ask."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class SecurityHeaders:
    """ASGI middleware: adds what an answer does not say itself. ``others``: whether other sites may load answers."""

    def __init__(self, app: ASGIApp, others: bool) -> None:
        self.app = app
        self._always = ALWAYS | {"Cross-Origin-Resource-Policy": "cross-origin" if others else "same-origin"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; its own headers go first."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._always.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, adding)


def cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Let pages of ``origins`` ask. Keys travel in a header that their scripts set, so no cookie is ever allowed."""
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=METHODS, allow_headers=ASKED, expose_headers=ANSWERED
    )
