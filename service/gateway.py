"""ASGI gateway in front of FastAPI: limits each request, routes it, maps unexpected errors, writes log and metrics."""

import asyncio
import time
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from service.collection import bulk
from service.http import problems
from service.http.allowed_methods import AllowedMethods
from service.http.content_encoding import decoded
from service.http.direct_routes import direct_routes
from service.http.forwarded import Forwarded, route_path
from service.http.headers import ResponseHeaders
from service.http.problems import DeadlineExceeded
from service.http.request_context import BodyBudget, RequestContext, RequestLimits
from service.runtime import access_log, telemetry
from service.runtime.metrics import Metrics
from service.runtime.settings import Settings
from service.runtime.telemetry import Span


class Gateway:
    """The ASGI application of the service. Direct routes are called here; FastAPI handles all other requests."""

    def __init__(self, app: FastAPI, routes: Sequence[BaseRoute], settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics
        self._direct_routes = direct_routes(routes)
        self._allowed = AllowedMethods([route for route in (*app.routes, *routes) if isinstance(route, Route)])
        self._forwarded = Forwarded(settings, lambda scope: bool(self._allowed.routes_of(scope)))
        self._limits = RequestLimits(BodyBudget(settings.max_body, settings.max_bodies), settings.deadline)
        self._headers = ResponseHeaders(cross_origin=bool(settings.origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["app"] = self.app
        scope, began = self._forwarded.apply(scope), time.monotonic()
        # An NDJSON body may have any length: its route limits each line and the wait for it.
        limits = None if bulk.is_bulk(scope) else self._limits
        context = RequestContext(decoded(scope, receive), send, self._headers, limits)
        span = self._begin_span(scope)
        try:
            await self._within_limits(scope, context)
        except Exception:
            access_log.log.exception("request failed", extra={"fields": {"request": context.id}})
            if context.started:  # the connection can only be closed
                context.status = 500
                raise
            # Answered here, not by the framework's error middleware, which would leave out the request id.
            _set_code(scope, problems.UNEXPECTED)
            await problems.internal_error(scope)(scope, context.receive, context.send)
        finally:
            context.close()
            self._record(scope, context, time.monotonic() - began, span)

    async def _within_limits(self, scope: Scope, context: RequestContext) -> None:
        try:
            await self._route(scope, context, scope["method"])
        except ClientDisconnect:  # while its body was read
            pass
        except (asyncio.CancelledError, TimeoutError) as error:
            if isinstance(error, TimeoutError) or context.expired:
                await self._send_timeout(scope, context)
            elif not context.disconnected:
                raise

    async def _send_timeout(self, scope: Scope, context: RequestContext) -> None:
        error = DeadlineExceeded(
            f"the answer took longer than {self._limits.seconds:g} s; send fewer pictures, or try again later"
        )
        _set_code(scope, error.code)
        if not context.started:
            answer = problems.problem(scope, problems.status_of(error), error.code, error.message)
            await answer(scope, context.receive, context.send)

    async def _route(self, scope: Scope, context: RequestContext, method: str) -> None:
        path = route_path(scope)
        if (direct := self._direct_routes.get((method, path))) is not None:
            await direct(scope, context.receive, context.send)
            return
        if not path:  # the prefix itself; the page's links need the last slash
            await RedirectResponse(f"{scope['root_path']}/")(scope, context.receive, context.send)
            return
        routes = self._allowed.routes_of(scope)
        allowed = {name for route in routes for name in route.methods or ()}
        if not routes or method in allowed - {"HEAD"}:
            await self.app(scope, context.receive, context.send)
        elif method == "HEAD" and "GET" in allowed:
            # HEAD runs the GET handler; the server drops the body.
            inner = {**scope, "method": "GET"}
            await self._route(inner, context, "GET")
            scope["route"] = inner.get("route")
        else:
            scope["route"] = routes[0]
            _set_code(scope, "method_not_allowed")
            names = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
            detail = f"got {method[:40]} {scope['path'][:200]}; this path allows {names}; /docs lists all calls"
            answer = problems.problem(scope, 405, "method_not_allowed", detail, {"Allow": names})
            await answer(scope, context.receive, context.send)

    def _begin_span(self, scope: Scope) -> Span | None:
        if self._metrics.telemetry is None:
            return None
        span = self._metrics.telemetry.begin(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        )
        telemetry.enter(span)
        return span

    def _record(self, scope: Scope, context: RequestContext, seconds: float, span: Span | None) -> None:
        # The route's pattern, not the path: a path may hold a key.
        route = getattr(scope.get("route"), "path", "unknown")
        code = scope.get("state", {}).get("code")
        self._metrics.observe_request(route, context.status, seconds)
        if self._metrics.telemetry is not None:
            self._metrics.telemetry.end(span, scope["method"], route, context.status, context.id, seconds)
        if code is not None:
            self._metrics.rejections.labels(code).inc()
        fields = {"request": context.id, "method": scope["method"], "route": route, "status": context.status}
        fields |= {"milliseconds": round(seconds * 1000, 2)} | ({"code": code} if code else {})
        access_log.log_request(time.time(), fields)


def _set_code(scope: Scope, code: str) -> None:
    scope.setdefault("state", {})["code"] = code
