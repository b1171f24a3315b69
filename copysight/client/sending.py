"""Code shared by both clients: build requests, interpret responses and errors, and batch uploads."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import orjson

from copysight.client.call import Call
from copysight.client.calls import line
from copysight.client.errors import Refused, ServerUnreachable
from copysight.client.options import New
from copysight.client.retries import RETRY_STATUSES, Retries

T = TypeVar("T")
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
MAX_PICTURES, MAX_BYTES = 64, 32 * 2**20
"""Maximum number of pictures, and approximate maximum number of bytes, of one request that adds many pictures."""


@dataclass(frozen=True)
class Pause:
    """Wait ``seconds``, then try again."""

    seconds: float


@dataclass(frozen=True)
class Outcomes:
    """Turn a response, or a failure to get one, into a result, a pause or an error."""

    url: str
    retries: Retries

    def of_response(self, call: Call[T], number: int, response: httpx.Response) -> T | Pause:
        """The outcome of attempt ``number`` with a response. Raises ``Refused``, ``ServerUnreachable``."""
        if response.is_success:
            return self._read(call, response)
        if response.status_code in RETRY_STATUSES:
            pause = self._pause(number, response.headers.get("retry-after"))
            if pause is not None:
                return pause
        raise _error_of(response)

    def of_failure(self, call: Call[T], number: int, error: httpx.TransportError) -> Pause:
        """The outcome of attempt ``number`` without a response. Raises ``ServerUnreachable``."""
        unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        pause = self._pause(number, None) if unsent or call.retry_safe else None
        if pause is None:
            raise ServerUnreachable(
                f"no response from {self.url} ({type(error).__name__}: {error}); start `copysight serve` there"
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
                f"{self.url} sent a response that is not from Copysight ({type(error).__name__}: {error}); "
                "check the URL"
            ) from error


def request(call: Call[Any]) -> dict[str, Any]:
    """Arguments of httpx's ``request``."""
    arguments: dict[str, Any] = {"method": call.method, "url": call.path, "params": dict(call.params)}
    if call.files:
        return arguments | {"files": list(call.files)}
    if call.content is not None:
        return arguments | {"content": call.content, "headers": {"content-type": call.content_type}}
    return arguments


def headers(key: str | None) -> dict[str, str]:
    """Headers of every request."""
    return {"user-agent": "copysight"} | ({} if key is None else {"authorization": f"Bearer {key}"})


class UploadBatches:
    """Collect additions into NDJSON bodies of limited size."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0

    def add(self, new: New) -> list[bytes]:
        """Add one picture. Returns a body if one is full, else an empty list."""
        text = line(new)
        full = self._lines and (len(self._lines) == MAX_PICTURES or self._bytes + len(text) > MAX_BYTES)
        ready = self.flush() if full else []
        self._lines.append(text)
        self._bytes += len(text)
        return ready

    def flush(self) -> list[bytes]:
        """Return the last body, or an empty list if there are no more pictures."""
        body = [b"".join(self._lines)] if self._lines else []
        self._lines, self._bytes = [], 0
        return body


def _error_of(response: httpx.Response) -> Refused:
    """The error in a response of the server, or of a proxy in front of it."""
    try:
        given = orjson.loads(response.content)
        return Refused(response.status_code, str(given["code"]), str(given["detail"]))
    except (ValueError, KeyError, TypeError):
        return Refused(response.status_code, "http_error", response.reason_phrase or "the response has no message")
