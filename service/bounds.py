"""What a request may cost: bytes and time; and an end to its work when the client has gone."""

import asyncio
import math
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, DeadlineExceeded, Overloaded, problem, status_of
from service.settings import Settings


class Bounds:
    """ASGI middleware around every request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self._room = _Room(max(settings.max_bodies, settings.max_body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application within the bounds."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A body of lines may be endless: its route bounds each line, and the wait for it.
        bulk = _is_bulk(scope)
        bounded = _Bounded(receive, send, *((math.inf, None) if bulk else (self.settings.max_body, self._room)))
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


class _Room:
    """Bytes that the bodies of all requests may hold together: many callers could fill the memory that one cannot."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0

    def take(self, count: int) -> None:
        self._held += count
        if self._held > self._most:
            raise Overloaded(f"all requests together hold more than {self._most:,} bytes; ask again in a moment")

    def give(self, count: int) -> None:
        self._held -= count


class _Bounded:
    """The two ends of one request, watched. ``room``: where its bytes count; None for a body that is not held."""

    def __init__(self, receive: Receive, send: Send, most: float, room: _Room | None) -> None:
        self._receive, self._send, self._most, self._room = receive, send, most, room
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
        count = len(message.get("body", b""))
        self._bytes += count
        if self._room is not None:
            self._room.take(count)
        if self._bytes > self._most:
            raise BodyTooLarge(f"got more than {self._most:,} bytes, the most of one request; send several requests")
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._watch = asyncio.create_task(self._until_gone())
        return message

    async def send(self, message: Message) -> None:
        self.started = True
        await self._send(message)

    def close(self) -> None:
        if self._room is not None:
            self._room.give(self._bytes)
        if self._watch is not None:
            self._watch.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._ended.set()
        if self.work is not None and not self.started:
            self.work.cancel()
