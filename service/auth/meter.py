"""Count the requests of each API key, and refuse those above its quota."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

from copysight.catalog.audit.usage import KeyUsage, Usage
from service.auth.keys import Key
from service.http.problems import QuotaExceeded

DAY = 86400


class KeyMeter:
    """The requests of keys today. They are counted here and added to the catalog by ``flush``, every few seconds.

    Several servers of one index share a quota, as of the last flush. What was counted since then is lost in a crash.
    """

    def __init__(self, usage: Usage, clock: Callable[[], float] = time.time) -> None:
        self._usage, self._clock = usage, clock
        self._stored: Mapping[str, KeyUsage] = {}
        self._day = ""
        self._new: Counter[str] = Counter()
        self._writing: Counter[str] = Counter()

    def count(self, key: Key) -> None:
        """Count a request. Raises ``QuotaExceeded``. Only for the event loop."""
        now = self._clock()
        if key.quota is not None and self.today(key.id) >= key.quota:
            raise QuotaExceeded(
                f"the key {key.name!r} has made its {key.quota:,} requests of today; its quota begins anew at midnight "
                "UTC",
                after=int(DAY - now % DAY) + 1,
            )
        self._new[key.id] += 1

    def today(self, number: str) -> int:
        """Requests of the key with this id today, those that are refused left out."""
        stored = self._stored.get(number)
        known = stored.today if stored is not None and self._day == day_of(self._clock()) else 0
        return known + self._new[number] + self._writing[number]

    def flush(self) -> None:
        """Add what was counted to the catalog, and read what other servers counted. May block.

        Raises ``NotWritable``; then the counts are kept.
        """
        now = self._clock()
        self._writing, self._new = self._writing + self._new, Counter()
        if self._writing:
            self._usage.add(self._writing, day_of(now), now)
        self._stored, self._day = self._usage.read(day_of(now)), day_of(now)
        self._writing = Counter()


def day_of(seconds: float) -> str:
    """The day of a time in UTC, such as 2026-11-28."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
