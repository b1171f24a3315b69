"""Decode a compressed request body (``Content-Encoding: gzip``) piece by piece, so that limits count what it holds."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from copysight.errors import InvalidArgument
from service.http.problems import UnsupportedEncoding

GZIP = {"gzip", "x-gzip"}
PIECE = 2**20
"""Bytes decoded at a time. A thousandth of them may arrive, so a whole part of a body would be too large."""
WINDOW = 16 + zlib.MAX_WBITS  # gzip, with its header and checksum


def decoded(scope: Scope, receive: Receive) -> Receive:
    """The receive channel of the decoded body. An encoding that is unknown raises when the body is first read."""
    given = ",".join(Headers(scope=scope).getlist("content-encoding")).lower()
    encodings = [part.strip() for part in given.split(",") if part.strip() not in {"", "identity"}]
    if not encodings:
        return receive
    if len(encodings) > 1 or encodings[0] not in GZIP:
        return _refusing(receive, given)
    return _Gunzip(receive)


def _refusing(receive: Receive, given: str) -> Receive:
    async def refuse() -> Message:
        raise UnsupportedEncoding(
            f"got a body with Content-Encoding: {given[:80]}; send it as it is, or compressed once with gzip"
        )

    return _once(refuse, receive)


def _once(first: Callable[[], Awaitable[Message]], following: Receive) -> Receive:
    """``first`` until it returns or raises, then ``following``: the watch for a disconnect needs the real channel."""
    calls = iter([first])

    async def receive() -> Message:
        return await next(calls, following)()

    return receive


class _Gunzip:
    """Receive channel of at most ``PIECE`` decoded bytes a message. Several gzip members may follow each other."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._inflate = zlib.decompressobj(WINDOW)
        self._input, self._more = b"", True
        self._begun = self._full = False  # whether a member has begun, and whether zlib may hold more of its output

    async def __call__(self) -> Message:
        """The next decoded piece; after the body, the messages of the connection. Raises ``InvalidArgument``."""
        while self._more or self._input or self._full:
            if not self._input and not self._full:
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._input, self._more = message.get("body", b""), message.get("more_body", False)
            data = await self._piece()
            more = bool(self._input) or self._full or self._more
            if not more and self._begun and not self._inflate.eof:
                raise InvalidArgument("got a gzip body that ends too early; send all of it")
            if data or not more:
                return {"type": "http.request", "body": data, "more_body": more}
        return await self._receive()

    async def _piece(self) -> bytes:
        if self._inflate.eof:  # another member follows, or zeros that pad the last one
            self._input = self._input.lstrip(b"\0")
            if self._input:
                self._inflate = zlib.decompressobj(WINDOW)
        if not self._input and not self._full:
            return b""
        self._begun, inflate = True, self._inflate
        try:
            data = await asyncio.to_thread(inflate.decompress, self._input, PIECE)
        except zlib.error as error:
            self._input, self._more, self._full = b"", False, False
            raise InvalidArgument(f"got a body that is not valid gzip ({error}); compress it again") from error
        self._input = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        self._full = len(data) == PIECE and not inflate.eof
        return data
