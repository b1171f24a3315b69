"""Send calls to the server and retry them: one sender for threads, one for asyncio."""

import asyncio
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import httpx

from copysight.client import sending
from copysight.client.call import Call
from copysight.client.retries import Retries
from copysight.client.sending import Outcomes, Pause

P = ParamSpec("P")
T = TypeVar("T")


class Sender:
    """Connections to one server, for any number of threads."""

    def __init__(self, url: str, key: str | None, retries: Retries, timeout: httpx.Timeout) -> None:
        self._http = httpx.Client(base_url=url, headers=sending.headers(key), timeout=timeout)
        self._outcomes = Outcomes(url, retries)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, make: Callable[P, Call[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Build a call, send it, retry it as often as allowed. Raises ``Refused``, ``ServerUnreachable``."""
        call, number = make(*args, **kwargs), 1
        while isinstance(outcome := self._attempt(call, number), Pause):
            time.sleep(outcome.seconds)
            number += 1
        return outcome

    def _attempt(self, call: Call[T], number: int) -> T | Pause:
        try:
            response = self._http.request(**sending.request(call))
        except httpx.TransportError as error:
            return self._outcomes.of_failure(call, number, error)
        return self._outcomes.of_response(call, number, response)


class AsyncSender:
    """Like ``Sender``, for asyncio. Calls are built in threads, so reading a picture never blocks the event loop."""

    def __init__(self, url: str, key: str | None, retries: Retries, timeout: httpx.Timeout) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=sending.headers(key), timeout=timeout)
        self._outcomes = Outcomes(url, retries)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, make: Callable[P, Call[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Build a call, send it, retry it as often as allowed. Raises ``Refused``, ``ServerUnreachable``."""
        call, number = await asyncio.to_thread(make, *args, **kwargs), 1
        while isinstance(outcome := await self._attempt(call, number), Pause):
            await asyncio.sleep(outcome.seconds)
            number += 1
        return outcome

    async def _attempt(self, call: Call[T], number: int) -> T | Pause:
        try:
            response = await self._http.request(**sending.request(call))
        except httpx.TransportError as error:
            return self._outcomes.of_failure(call, number, error)
        return self._outcomes.of_response(call, number, response)
