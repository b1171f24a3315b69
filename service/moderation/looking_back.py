"""Remember pictures that were searched for, if ``remember`` is set, and match new items of lists against them.

Checksums and vectors are kept, no pictures: a match is judged by the score alone, and not verified.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from copysight.catalog import Item
from copysight.catalog.moderation.lists import StoredList
from copysight.catalog.moderation.matches import NewMatch
from copysight.catalog.moderation.moderation import Moderation
from copysight.catalog.recent.recent import Recent
from copysight.errors import CatalogUnavailable, NotWritable
from copysight.index import Snapshot
from copysight.scoring.calibration import Line, Verdict
from copysight.scoring.decided import corrected

log = logging.getLogger("copysight.moderation")
Floats = npt.NDArray[np.float32]
FLUSH_COUNT, FLUSH_SECONDS, FORGET_SECONDS = 64, 2.0, 600.0
"""Queries wait in memory until so many or so long, because each write is durable; a kill loses them."""
NEAREST = 1000
"""Remembered queries that are judged for a new item, the nearest ones."""


@dataclass(frozen=True)
class RecentMatch:
    """A remembered query, a sha256, that matches a new item of a list. ``seen``: seconds since the epoch.

    ``match``: the number under which it is recorded; None if the index could not be written.
    """

    query: str
    seen: float
    probability: float
    verdict: Verdict
    match: int | None = None


class QueryMemory:
    """The queries of the last ``seconds``; with 0 nothing is remembered. Thread-safe."""

    def __init__(self, recent: Recent, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._recent, self.seconds, self._clock = recent, seconds, clock
        self._waiting: dict[tuple[str, str], Floats] = {}
        self._lock = threading.Lock()
        self._flushed = self._forgotten = clock()

    def add(self, model: str, sha256: str, vector: Floats) -> None:
        """Remember a picture that was searched for; ``vector`` (D,) is that of the bundle ``model``."""
        if not self.seconds:
            return
        with self._lock:
            self._waiting[sha256, model] = vector
            due = len(self._waiting) >= FLUSH_COUNT or self._clock() - self._flushed >= FLUSH_SECONDS
        if due:
            self.flush()

    def flush(self) -> None:
        """Store what waits in memory, and forget what is too old."""
        if not self.seconds:
            return
        with self._lock:
            waiting, self._waiting, now = self._waiting, {}, self._clock()
            self._flushed = now
            forget = now - self._forgotten >= FORGET_SECONDS
            self._forgotten = now if forget else self._forgotten
        try:
            for model in {model for _, model in waiting}:
                self._recent.remember(model, [(sha256, one) for (sha256, of), one in waiting.items() if of == model])
            if forget:
                self._recent.forget(self.seconds)
        except (NotWritable, CatalogUnavailable) as error:
            log.warning("queries were not remembered: %s", error.message)

    def matches(self, snapshot: Snapshot, sha256: str, vector: Floats, of: StoredList) -> list[RecentMatch]:
        """The remembered queries that match a new item of a list, the most probable first; not recorded yet."""
        self.flush()
        known = self._recent.all(snapshot.bundle.id, self.seconds) if self.seconds else None
        if known is None or not len(known.sha256):
            return []
        similarities = known.vectors @ (vector / np.linalg.norm(vector))
        rows = np.argsort(-similarities)[:NEAREST]
        offsets = snapshot.offsets(known.vectors[rows])
        found = []
        for row, offset in zip(rows.tolist(), offsets.tolist(), strict=True):
            equal = known.sha256[row] == sha256
            judged = snapshot.judge.judge(float(similarities[row]), offset, equal)
            if judged.probability is None:
                continue
            learned = None if equal or of.learned is None else Line(of.learned.slope, of.learned.intercept)
            probability = judged.probability if learned is None else corrected(judged.probability, learned)
            verdict = judged.verdict if equal else snapshot.judge.verdicts.of(probability)
            if verdict in {"exact", "copy"}:
                found.append(RecentMatch(known.sha256[row], float(known.seen[row]), probability, verdict))
        return sorted(found, key=lambda one: -one.probability)


def look_back(
    memory: QueryMemory,
    moderation: Moderation,
    snapshot: Snapshot,
    item: Item,
    vector: Floats,
    of: StoredList,
    author: str | None,
) -> list[dict[str, object]]:
    """Match a new item of a list against remembered queries, and record the matches; as JSON. May block.

    They are recorded, announced and reviewed as if the query had come after the item. Denied pairs are left out.
    """
    denied = moderation.denied(item.sha256)
    found = [one for one in memory.matches(snapshot, item.sha256, vector, of) if one.query not in denied]
    policy = of.list
    new = [
        NewMatch(
            policy.name,
            item.id,
            item.sha256,
            one.query,
            None if one.verdict == "exact" else one.probability,
            one.probability,
            one.verdict,
            policy.policy,
            policy.action,
        )
        for one in found
    ]
    numbers: Sequence[int | None] = moderation.record(new, author) if new else []
    return [asdict(one) | {"match": number} for one, number in zip(found, numbers, strict=True)]
