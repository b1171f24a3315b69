"""Do something at most once in a time, as a log line about an outage in which many calls fail a second."""

import math
import time


class Seldom:
    """Allows something once in a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._latest = seconds, -math.inf

    def may(self) -> bool:
        """Whether it is time again."""
        now = time.monotonic()
        if now - self._latest < self._seconds:
            return False
        self._latest = now
        return True
