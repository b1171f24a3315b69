"""Read an NDJSON body line by line, with a bounded buffer: the sender waits while the buffer is full."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

MAX_LINES = 16
"""Maximum number of lines in the buffer, and so of lines that are processed together."""


@dataclass(frozen=True)
class Line:
    """One line. Numbers start at 1; ``data`` is None if the line is too long."""

    number: int
    data: bytes | None


async def split(parts: AsyncIterator[bytes], longest: int, seconds: float) -> AsyncIterator[Line]:
    """Split a body into lines and skip blank ones. Raises ``TimeoutError`` when nothing arrives for ``seconds``."""
    held, number = bytearray(), 1
    async for part in _with_timeout(parts, seconds):
        *ended, rest = part.split(b"\n")
        for piece in ended:
            held += piece
            if held.strip():
                yield Line(number, bytes(held) if len(held) <= longest else None)
            held.clear()
            number += 1
        held += rest
        del held[longest + 1 :]  # one byte more than allowed: enough to detect a line that is too long
    if held.strip():
        yield Line(number, bytes(held) if len(held) <= longest else None)


class LineBuffer:
    """Bounded buffer between reading and processing: at most ``MAX_LINES`` lines and about ``max_bytes`` bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, lines: AsyncIterator[Line]) -> None:
        """Put all lines into the buffer; wait while it is full."""
        try:
            async for line in lines:
                async with self._changed:
                    await self._changed.wait_for(lambda: len(self._lines) < MAX_LINES and self._bytes < self._max_bytes)
                    self._lines.append(line)
                    self._bytes += len(line.data or b"")
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._ended = True
                self._changed.notify_all()

    async def take(self) -> list[Line]:
        """Wait for lines and take all of them. An empty list means the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._lines) or self._ended)
            taken = list(self._lines)
            self._lines.clear()
            self._bytes = 0
            self._changed.notify_all()
            return taken


async def _with_timeout(parts: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(seconds):
            part = await anext(parts, None)
        if part is None:
            return
        yield part
