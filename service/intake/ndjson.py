"""A body of lines, of any length, as it comes in; the sender waits while enough of it is held here."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

MOST = 16
"""Lines that are held at a time, and so the most that are handed over together."""


@dataclass(frozen=True)
class Line:
    """One line, counted from 1; ``data`` is None for one that is too long."""

    number: int
    data: bytes | None


async def split(parts: AsyncIterator[bytes], longest: int, seconds: float) -> AsyncIterator[Line]:
    """Lines that are not blank. Raises ``TimeoutError`` when nothing comes for ``seconds``."""
    held, number = bytearray(), 1
    async for part in _in_time(parts, seconds):
        *ended, rest = part.split(b"\n")
        for piece in ended:
            held += piece
            if held.strip():
                yield Line(number, bytes(held) if len(held) <= longest else None)
            held.clear()
            number += 1
        held += rest
        del held[longest + 1 :]  # enough to know that it is too long
    if held.strip():
        yield Line(number, bytes(held) if len(held) <= longest else None)


class Inbox:
    """Lines between the one who sends them and the one who works on them: ``MOST`` lines, or about ``most`` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, lines: AsyncIterator[Line]) -> None:
        """Put all lines in, waiting while it is full."""
        try:
            async for line in lines:
                async with self._changed:
                    await self._changed.wait_for(lambda: len(self._lines) < MOST and self._bytes < self._most)
                    self._lines.append(line)
                    self._bytes += len(line.data or b"")
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._ended = True
                self._changed.notify_all()

    async def take(self) -> list[Line]:
        """All lines that wait, at least one; none at the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._lines) or self._ended)
            taken = list(self._lines)
            self._lines.clear()
            self._bytes = 0
            self._changed.notify_all()
            return taken


async def _in_time(parts: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(seconds):
            part = await anext(parts, None)
        if part is None:
            return
        yield part
