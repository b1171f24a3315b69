"""What both clients share: how a call becomes a request, and what an answer, or none, means."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import orjson

from copysight.client.calls import Call, New, line
from copysight.client.errors import Refused, ServerUnreachable
from copysight.client.retries import LATER, Retries

T = TypeVar("T")
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
FEW, MUCH = 64, 32 * 2**20
"""Most pictures, and about the most bytes, of one request of many additions."""


@dataclass(frozen=True)
class Pause:
    """Wait ``seconds``, then try again."""

    seconds: float


@dataclass(frozen=True)
class Attempts:
    """The way from an answer to a result, a pause or an error."""

    url: str
    retries: Retries

    def after(self, call: Call[T], number: int, response: httpx.Response) -> T | Pause:
        """What an answer to attempt ``number`` means. Raises ``Refused``, ``ServerUnreachable``."""
        if response.is_success:
            return self._read(call, response)
        if response.status_code in LATER:
            pause = self._pause(number, response.headers.get("retry-after"))
            if pause is not None:
                return pause
        raise _refusal(response)

    def failed(self, call: Call[T], number: int, error: httpx.TransportError) -> Pause:
        """What no answer to attempt ``number`` means. Raises ``ServerUnreachable``."""
        unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        pause = self._pause(number, None) if unsent or call.again else None
        if pause is None:
            raise ServerUnreachable(
                f"no answer from {self.url} ({type(error).__name__}: {error}); is `copysight serve` running there?"
            ) from error
        return pause

    def _pause(self, number: int, after: str | None) -> Pause | None:
        seconds = self.retries.pause(number, after, random.random, datetime.now(UTC))
        return None if seconds is None else Pause(seconds)

    def _read(self, call: Call[T], response: httpx.Response) -> T:
        try:
            return call.read(response)
        except (ValueError, KeyError, TypeError) as error:
            raise ServerUnreachable(
                f"{self.url} answered something that is no answer of Copysight ({type(error).__name__}: {error})"
            ) from error


def request(call: Call[Any]) -> dict[str, Any]:
    """Arguments of httpx's ``request``."""
    about: dict[str, Any] = {"method": call.method, "url": call.path, "params": dict(call.params)}
    if call.files:
        return about | {"files": list(call.files)}
    if call.content is not None:
        return about | {"content": call.content, "headers": {"content-type": call.kind}}
    return about


def headers(key: str | None) -> dict[str, str]:
    """Headers of every request."""
    return {"user-agent": "copysight"} | ({} if key is None else {"authorization": f"Bearer {key}"})


class Parcels:
    """Additions, collected into bodies of lines."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0

    def put(self, new: New) -> list[bytes]:
        """Add one; returns the body that is full, if one is."""
        text = line(new)
        full = self._lines and (len(self._lines) == FEW or self._bytes + len(text) > MUCH)
        ready = self.rest() if full else []
        self._lines.append(text)
        self._bytes += len(text)
        return ready

    def rest(self) -> list[bytes]:
        """What is left, if anything is."""
        left = [b"".join(self._lines)] if self._lines else []
        self._lines, self._bytes = [], 0
        return left


def _refusal(response: httpx.Response) -> Refused:
    """The server's error, or that of a proxy before it."""
    try:
        given = orjson.loads(response.content)
        return Refused(response.status_code, str(given["code"]), str(given["detail"]))
    except (ValueError, KeyError, TypeError):
        return Refused(response.status_code, "http_error", response.reason_phrase or "an answer without words")
