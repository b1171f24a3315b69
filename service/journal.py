"""One line of JSON a request, with an id that the client hears too. No key and no picture is ever in it."""

import json
import logging
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import UNEXPECTED, unexpected
from service.metrics import Metrics

log = logging.getLogger("copysight.requests")
HEADER = b"x-request-id"
GONE = 499
"""Status in log and metrics of a request whose client left before the answer."""


class JsonFormatter(logging.Formatter):
    """Log records as JSON objects."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {"time": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Journal:
    """ASGI middleware: times, counts and logs every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application and note what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, number, status = time.monotonic(), uuid.uuid4().hex[:16], GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, number.encode())]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception:
            log.exception("request failed", extra={"fields": {"request": number}})
            if status != GONE:  # the answer has begun: all that is left is to hang up
                status = 500
                raise
            # Here and not by the framework, outside of which no header of ours is set: the caller needs the id.
            scope.setdefault("state", {})["code"] = UNEXPECTED
            await unexpected()(scope, receive, noting)
        finally:
            self._note(scope, number, status, time.monotonic() - began)

    def _note(self, scope: Scope, number: str, status: int, seconds: float) -> None:
        # The route's pattern, not the path: a path may hold a key.
        route = getattr(scope.get("route"), "path", "unknown")
        code = scope.get("state", {}).get("code")
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if code is not None:
            self.metrics.rejections.labels(code).inc()
        fields = {"request": number, "method": scope["method"], "route": route, "status": status}
        fields |= {"milliseconds": round(seconds * 1000, 2)} | ({"code": code} if code else {})
        log.info("request", extra={"fields": fields})
