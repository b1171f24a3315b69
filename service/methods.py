"""Methods of a path: HEAD is GET whose body stays here, and a 405 names all that the path knows (RFC 9110, 10.2.1)."""

from collections.abc import Iterable

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import problem


class Methods:
    """ASGI middleware before the router, whose 405 would name the methods of a path's first route alone."""

    def __init__(self, app: ASGIApp, routes: Iterable[Route]) -> None:
        self.app = app
        self._plain: dict[str, list[Route]] = {}
        self._patterns: list[Route] = []
        for route in routes:
            if "{" in route.path:
                self._patterns.append(route)
            else:
                self._plain.setdefault(route.path, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or say which methods there are."""
        found = self._of(scope) if scope["type"] == "http" else []
        methods = {method for route in found for method in route.methods or ()}
        if not found or scope["method"] in methods - {"HEAD"}:
            await self.app(scope, receive, send)
        elif scope["method"] == "HEAD" and "GET" in methods:
            await self._without_body(scope, receive, send)
        else:
            scope["route"] = found[0]
            known = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
            scope.setdefault("state", {})["code"] = "method_not_allowed"
            detail = f"got {scope['method'][:40]} {scope['path'][:200]}, which knows {known}; /docs lists all calls"
            await problem(405, "method_not_allowed", detail, {"Allow": known})(scope, receive, send)

    async def _without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The server itself leaves the body out, since it is asked for HEAD still.
        inner = {**scope, "method": "GET"}
        await self.app(inner, receive, send)
        scope["route"] = inner.get("route")

    def _of(self, scope: Scope) -> list[Route]:
        plain = self._plain.get(scope["path"])
        return plain or [route for route in self._patterns if route.matches(scope)[0] is not Match.NONE]
