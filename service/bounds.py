"""What a request may cost: bytes and time; and an end to its work when the client has gone."""

import asyncio
import math
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, DeadlineExceeded, problem, status_of
from service.settings import Settings


class Bounds:
    """ASGI middleware around every request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application within the bounds."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A body of lines may be endless: its route bounds each line, and the wait for it.
        bulk = _is_bulk(scope)
        bounded = _Bounded(receive, send, math.inf if bulk else self.settings.max_body)
        bounded.work = asyncio.ensure_future(self.app(scope, bounded.receive, bounded.send))
        try:
            async with asyncio.timeout(None if bulk else self.settings.deadline):
                await bounded.work
        except TimeoutError:
            await self._give_up(scope, bounded)
        except asyncio.CancelledError:
            if not bounded.gone:
                raise
        finally:
            bounded.close()

    async def _give_up(self, scope: Scope, bounded: "_Bounded") -> None:
        error = DeadlineExceeded(
            f"the answer took longer than {self.settings.deadline:g} s; send fewer pictures, or ask again later"
        )
        scope.setdefault("state", {})["code"] = error.code
        if not bounded.started:
            await problem(status_of(error), error.code, error.message)(scope, bounded.receive, bounded.send)


def _is_bulk(scope: Scope) -> bool:
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return bool(scope["method"] == "POST" and scope["path"] == "/images" and kind == "application/x-ndjson")


class _Bounded:
    """The two ends of one request, watched."""

    def __init__(self, receive: Receive, send: Send, most: float) -> None:
        self._receive, self._send, self._most = receive, send, most
        self._bytes = 0
        self._ended = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self.work: asyncio.Future[Any] | None = None
        self.started = self.gone = False

    async def receive(self) -> Message:
        if self._watch is not None:
            await self._ended.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._most:
            raise BodyTooLarge(f"got more than {self._most:,} bytes, the most of one request; send several requests")
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._watch = asyncio.create_task(self._until_gone())
        return message

    async def send(self, message: Message) -> None:
        self.started = True
        await self._send(message)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._ended.set()
        if self.work is not None and not self.started:
            self.work.cancel()
