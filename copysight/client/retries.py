"""Decide whether a call is retried, and after which pause."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_STATUSES = {429, 503}
"""HTTP statuses that are retried."""


@dataclass(frozen=True)
class Retries:
    """At most ``attempts`` attempts per call. The pause doubles from ``first`` seconds up to ``longest``.

    Each pause is multiplied by a random factor between 0.5 and 1. A longer pause in the
    header ``Retry-After`` is used instead. If it asks for ``longest`` seconds or more, the call fails at once.
    """

    attempts: int = 5
    first: float = 0.25
    longest: float = 30.0

    def pause(self, attempt: int, after: str | None, chance: Callable[[], float], now: datetime) -> float | None:
        """Seconds to wait after attempt number ``attempt`` (from 1), or None to give up.

        ``after`` is the header ``Retry-After``; ``chance`` returns random numbers in [0, 1).
        """
        if attempt >= self.attempts:
            return None
        backoff = min(self.first * 2.0 ** (attempt - 1), self.longest) * (0.5 + chance() / 2)
        requested = seconds(after, now)
        if requested is None:
            return backoff
        return None if requested >= self.longest else max(requested, backoff)


def seconds(after: str | None, now: datetime) -> float | None:
    """The header ``Retry-After``, a number or a date (RFC 9110, 10.2.3), as seconds from ``now``; None if invalid."""
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
