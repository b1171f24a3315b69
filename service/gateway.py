"""The one layer around all calls: bounds each, finds who answers it, and notes what became of it."""

import asyncio
import time
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from service.collection import bulk
from service.http import problems
from service.http.allowed_methods import Paths
from service.http.direct_routes import calls
from service.http.headers import Headers
from service.http.problems import DeadlineExceeded
from service.http.request_context import Bounds, Exchange, Room
from service.runtime import access_log
from service.runtime.metrics import Metrics
from service.runtime.settings import Settings


class Entrance:
    """The ASGI application of the service, in front of FastAPI, which answers what is no ``Call``."""

    def __init__(self, app: FastAPI, routes: Sequence[BaseRoute], settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics
        self._calls = calls(routes)
        self._paths = Paths([route for route in (*app.routes, *routes) if isinstance(route, Route)])
        self._bounds = Bounds(Room(settings.max_body, settings.max_bodies), settings.deadline)
        self._headers = Headers(others=bool(settings.origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["app"] = self.app
        began = time.monotonic()
        # A body of lines may be endless: its route bounds each line, and the wait for it.
        exchange = Exchange(receive, send, self._headers, None if bulk.asked(scope) else self._bounds)
        try:
            await self._within_bounds(scope, exchange)
        except Exception:
            access_log.log.exception("request failed", extra={"fields": {"request": exchange.id}})
            if exchange.started:  # all that is left is to hang up
                exchange.status = 500
                raise
            # Here and not by the framework, outside of which no header of ours is set: the caller needs the id.
            _code(scope, problems.UNEXPECTED)
            await problems.unexpected()(scope, exchange.receive, exchange.send)
        finally:
            exchange.close()
            self._note(scope, exchange, time.monotonic() - began)

    async def _within_bounds(self, scope: Scope, exchange: Exchange) -> None:
        try:
            await self._answer(scope, exchange, scope["method"])
        except ClientDisconnect:  # within its body
            pass
        except (asyncio.CancelledError, TimeoutError) as error:
            if isinstance(error, TimeoutError) or exchange.late:
                await self._give_up(scope, exchange)
            elif not exchange.gone:
                raise

    async def _give_up(self, scope: Scope, exchange: Exchange) -> None:
        error = DeadlineExceeded(
            f"the answer took longer than {self._bounds.seconds:g} s; send fewer pictures, or ask again later"
        )
        _code(scope, error.code)
        if not exchange.started:
            answer = problems.problem(problems.status_of(error), error.code, error.message)
            await answer(scope, exchange.receive, exchange.send)

    async def _answer(self, scope: Scope, exchange: Exchange, method: str) -> None:
        if (call := self._calls.get((method, scope["path"]))) is not None:
            await call(scope, exchange.receive, exchange.send)
            return
        found = self._paths.of(scope)
        known = {one for route in found for one in route.methods or ()}
        if not found or method in known - {"HEAD"}:
            await self.app(scope, exchange.receive, exchange.send)
        elif method == "HEAD" and "GET" in known:
            # Whoever answers takes it for a GET; the server, which knows better, leaves the body out.
            inner = {**scope, "method": "GET"}
            await self._answer(inner, exchange, "GET")
            scope["route"] = inner.get("route")
        else:
            scope["route"] = found[0]
            _code(scope, "method_not_allowed")
            names = ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))
            detail = f"got {method[:40]} {scope['path'][:200]}, which knows {names}; /docs lists all calls"
            answer = problems.problem(405, "method_not_allowed", detail, {"Allow": names})
            await answer(scope, exchange.receive, exchange.send)

    def _note(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        # The route's pattern, not the path: a path may hold a key.
        route = getattr(scope.get("route"), "path", "unknown")
        code = scope.get("state", {}).get("code")
        self._metrics.answered(route, exchange.status, seconds)
        if code is not None:
            self._metrics.rejections.labels(code).inc()
        fields = {"request": exchange.id, "method": scope["method"], "route": route, "status": exchange.status}
        fields |= {"milliseconds": round(seconds * 1000, 2)} | ({"code": code} if code else {})
        access_log.note(time.time(), fields)


def _code(scope: Scope, code: str) -> None:
    scope.setdefault("state", {})["code"] = code
