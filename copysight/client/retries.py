"""When a call is worth another attempt, and how long to wait before it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LATER = {429, 503}
"""Answers that mean: not now."""


@dataclass(frozen=True)
class Retries:
    """At most ``attempts`` of a call; pauses double from ``first`` seconds, halved at most by chance.

    A server that names its own time by ``Retry-After`` gets it, unless it is ``longest`` seconds or more: then the
    call fails at once instead of standing still.
    """

    attempts: int = 5
    first: float = 0.25
    longest: float = 30.0

    def pause(self, attempt: int, after: str | None, chance: Callable[[], float], now: datetime) -> float | None:
        """Seconds to wait after attempt number ``attempt`` (from 1), or None to give up.

        ``after`` is the header ``Retry-After``; ``chance`` gives numbers of [0, 1).
        """
        if attempt >= self.attempts:
            return None
        own = min(self.first * 2.0 ** (attempt - 1), self.longest) * (0.5 + chance() / 2)
        named = seconds(after, now)
        if named is None:
            return own
        return None if named >= self.longest else max(named, own)


def seconds(after: str | None, now: datetime) -> float | None:
    """What ``Retry-After`` says, in seconds from ``now``: a number, or a date (RFC 9110, 10.2.3)."""
    if after is None:
        return None
    if after.strip().isdecimal():
        return float(after)
    try:
        at = parsedate_to_datetime(after)
    except ValueError:
        return None
    wait: float = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, wait)
