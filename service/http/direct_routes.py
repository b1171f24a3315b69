"""Calls that need nothing but their body and the options in their address: answered without FastAPI's work on each."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from service.http import problems

KNOWN, LONGEST = 256, 512
"""Query strings whose options are remembered, and the bytes of the longest."""


class Call:
    """A route of FastAPI as an ASGI application: its dependencies, its options, its endpoint.

    FastAPI reads the options, but once for each query string: with its search for the route that takes .3 ms a request.
    """

    def __init__(self, route: APIRoute) -> None:
        self._route = route
        self._needs = [need.dependency for need in route.dependencies if need.dependency is not None]
        self._known: dict[bytes, Mapping[str, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self._route
        request = Request(scope, receive, send)
        try:
            response = await self._answered(request)
        except Exception as error:  # noqa: BLE001 - what is none of ours is raised again
            response = await problems.answered(request, error)
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        for need in self._needs:
            await need(request)
        return cast(Response, await self._route.endpoint(request, **self._options(request.scope["query_string"])))

    def _options(self, query: bytes) -> Mapping[str, Any]:
        if (known := self._known.get(query)) is not None:
            return known
        options, wrong = request_params_to_args(self._route.dependant.query_params, QueryParams(query))
        if wrong:
            raise RequestValidationError(wrong)
        if len(query) <= LONGEST:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[query] = options
        return options


def calls(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], Call]:
    """By method and path, the routes without parts in their path and without a model of their body."""
    return {
        (method, route.path): Call(route)
        for route in routes
        if isinstance(route, APIRoute) and route.dependant.request_param_name == "request"
        if route.body_field is None and not route.dependant.path_params
        for method in route.methods or ()
    }
