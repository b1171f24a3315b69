"""One request and its answer, watched: the bytes that come, what is said first, whether the client is still there."""

import asyncio
import secrets
from dataclasses import dataclass

from starlette.types import Message, Receive, Send

from service.http.headers import Headers
from service.http.problems import BodyTooLarge, Overloaded

GONE = 499
"""Status in log and metrics of a request whose client left before the answer."""


class Room:
    """Bytes that the body of one request may have, and those of all together: many could fill what one cannot."""

    def __init__(self, most: int, together: int) -> None:
        self.most = most
        self._together, self._held = max(together, most), 0

    def take(self, count: int) -> None:
        """Hold ``count`` bytes more. Raises ``Overloaded``."""
        self._held += count
        if self._held > self._together:
            raise Overloaded(f"all requests together hold more than {self._together:,} bytes; ask again in a moment")

    def give(self, count: int) -> None:
        """Hold them no longer."""
        self._held -= count


@dataclass(frozen=True)
class Bounds:
    """What a request may take: room for its body, and seconds from its head to the end of its answer."""

    room: Room
    seconds: float


class Exchange:
    """The two ends of one request; to be made in its own task, which is cancelled when the client goes unanswered.

    ``headers``: what every answer says. ``bounds``: None for a body without end.
    """

    def __init__(self, receive: Receive, send: Send, headers: Headers, bounds: Bounds | None) -> None:
        self.id = secrets.token_hex(8)
        self.status = GONE
        self.gone = self.late = False
        self._receive, self._send, self._headers = receive, send, headers
        self._room = bounds.room if bounds else None
        self._bytes = 0
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(bounds.seconds, self._expire) if bounds else None

    @property
    def started(self) -> bool:
        """Whether the answer has begun."""
        return self.status != GONE

    async def receive(self) -> Message:
        """The next part of the body; after the last, that the client has gone. Raises ``BodyTooLarge``."""
        if self._watch is not None:
            await asyncio.wait([self._watch])
            return {"type": "http.disconnect"}
        message = await self._receive()
        if self._room is not None:
            self._count(len(message.get("body", b"")), self._room)
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._watch = asyncio.create_task(self._until_gone())
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, before the first what every answer says."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers.completed(message["headers"], self.id)
        await self._send(message)

    def close(self) -> None:
        """Let go of the body, of the client and of the clock."""
        if self._timer is not None:
            self._timer.cancel()
        if self._room is not None:
            self._room.give(self._bytes)
        if self._watch is not None:
            self._watch.cancel()

    def _count(self, count: int, room: Room) -> None:
        self._bytes += count
        room.take(count)
        if self._bytes > room.most:
            raise BodyTooLarge(f"got more than {room.most:,} bytes, the most of one request; send several requests")

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None and not self.started:
            self._task.cancel()

    def _expire(self) -> None:
        self.late = True
        if self._task is not None:
            self._task.cancel()
