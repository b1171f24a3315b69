"""Track one request: body size, response headers, deadline, client disconnect."""

import asyncio
import secrets
from dataclasses import dataclass

from starlette.types import Message, Receive, Send

from service.http.headers import ResponseHeaders
from service.http.problems import BodyTooLarge, Overloaded

CLIENT_CLOSED = 499
"""Status in log and metrics of a request whose client disconnected before the answer."""


class BodyBudget:
    """Limit the bytes of one request body, and of all bodies that are in memory at the same time.

    ``per_request`` and ``total`` are in bytes.
    """

    def __init__(self, per_request: int, total: int) -> None:
        self.per_request = per_request
        self._total, self._held = max(total, per_request), 0

    def acquire(self, count: int) -> None:
        """Reserve ``count`` more bytes. Raises ``Overloaded``."""
        self._held += count
        if self._held > self._total:
            raise Overloaded(f"the bodies of all current requests exceed {self._total:,} bytes; try again in a moment")

    def release(self, count: int) -> None:
        """Release ``count`` bytes."""
        self._held -= count


@dataclass(frozen=True)
class RequestLimits:
    """Limits of a request: the budget for its body, and the seconds from its first byte to the end of its answer."""

    budget: BodyBudget
    seconds: float


class RequestContext:
    """The receive and send channels of one request. Create it in the request's own task.

    That task is cancelled when the client disconnects before the answer starts, and at the deadline. ``headers``: the
    defaults of every answer. ``limits``: None for a body of unlimited length.
    """

    def __init__(self, receive: Receive, send: Send, headers: ResponseHeaders, limits: RequestLimits | None) -> None:
        self.id = secrets.token_hex(8)
        self.status = CLIENT_CLOSED
        self.disconnected = self.expired = False
        self._receive, self._send, self._headers = receive, send, headers
        self._budget = limits.budget if limits else None
        self._bytes = 0
        self._task = asyncio.current_task()
        self._disconnect: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(limits.seconds, self._expire) if limits else None

    @property
    def started(self) -> bool:
        """Whether the answer has started."""
        return self.status != CLIENT_CLOSED

    async def receive(self) -> Message:
        """The next part of the body; after the last part, the disconnect message. Raises ``BodyTooLarge``."""
        if self._disconnect is not None:
            await asyncio.wait([self._disconnect])
            return {"type": "http.disconnect"}
        message = await self._receive()
        if self._budget is not None:
            self._count(len(message.get("body", b"")), self._budget)
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._disconnect = asyncio.create_task(self._wait_for_disconnect())
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; add the default headers to the first part."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers.complete(message["headers"], self.id)
        await self._send(message)

    def close(self) -> None:
        """Cancel the deadline and the disconnect watch, and release the body's bytes."""
        if self._timer is not None:
            self._timer.cancel()
        if self._budget is not None:
            self._budget.release(self._bytes)
        if self._disconnect is not None:
            self._disconnect.cancel()

    def _count(self, count: int, budget: BodyBudget) -> None:
        self._bytes += count
        budget.acquire(count)
        if self._bytes > budget.per_request:
            raise BodyTooLarge(
                f"got more than {budget.per_request:,} bytes, the limit of a request body; send several requests"
            )

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.disconnected = True
        if self._task is not None and not self.started:
            self._task.cancel()

    def _expire(self) -> None:
        self.expired = True
        if self._task is not None:
            self._task.cancel()
