"""Past the framework's work on each call, for calls whose very options it has checked before."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import wraps
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from copysight.errors import CopysightError
from service import errors

Endpoint = Callable[..., Coroutine[Any, Any, Response]]
KNOWN, LONGEST = 256, 512
"""Query strings that are remembered, and the bytes of the longest."""


def short(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose options all stand in the query string, so that equal strings mean equal options."""

    @wraps(endpoint)
    async def noting(request: Request, **options: Any) -> Response:
        request.state.options = options
        return await endpoint(request, **options)

    return noting


class Shortcut:
    """ASGI middleware next to the application.

    A call of a ``short`` endpoint with a query string that FastAPI has read before goes straight to it, by way of its
    dependencies, which ask for keys. FastAPI would take .3 ms of the event loop to find the route and to read the
    same options again.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[APIRoute]) -> None:
        self.app = app
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}
        self._known: dict[tuple[str, bytes], Mapping[str, Any]] = {}
        self._straight = ExceptionMiddleware(
            self._answer, {CopysightError: errors.on_domain_error, HTTPException: errors.on_http_error}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, by the shortcut where there is one."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) not in self._routes:
            await self.app(scope, receive, send)
        elif _question(scope) in self._known:
            await self._straight(scope, receive, send)
        else:
            await self.app(scope, receive, send)
            self._learn(scope)

    def _learn(self, scope: Scope) -> None:
        options = scope.get("state", {}).get("options")
        if options is not None and len(scope["query_string"]) <= LONGEST:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[_question(scope)] = options

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._known[_question(scope)]  # before others come to speak, who may have it forgotten
        scope["route"] = route = self._routes[scope["method"], scope["path"]]
        request = Request(scope, receive, send)
        for need in route.dependencies:
            if need.dependency is not None:
                await need.dependency(request)
        response = await route.endpoint(request, **options)
        await response(scope, receive, send)


def _question(scope: Scope) -> tuple[str, bytes]:
    return scope["path"], scope["query_string"]
