"""Verified pairs in a file, so that a search for duplicates that was stopped goes on, and the next one is quick.

Lines of JSON: ``[sha256, sha256, probability, kind, part]``. It is a cache: it may be removed at any time.
"""

import hashlib
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from copysight.duplicates.candidates import Scorer
from copysight.scoring import evidence
from copysight.system.version import version

RULES = 5
"""Version of the rules of `verify`; pairs of another one are not read."""
FLUSH = 256
"""Pairs after which the file is written."""


@dataclass(frozen=True)
class Stored:
    """A verified pair of pictures by sha256.

    ``one`` < ``other``; ``part``: the one that shows a part of the other, or None.
    """

    one: str
    other: str
    probability: float
    kind: str
    part: str | None


class PairCache:
    """The pairs of one model and calibration. Thread-safe. A read-only or full disk only makes it useless."""

    def __init__(self, directory: Path, model: str, scorer: Scorer) -> None:
        fit = json.dumps([scorer.calibration.to_json(), vars(scorer.line)], sort_keys=True)
        text = "\0".join([version(), str(RULES), model, fit, repr(evidence.WEIGHTS), repr(evidence.INTERCEPT)])
        self._path = directory / f"pairs-{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl"
        self._lock = threading.Lock()
        self._waiting: list[Stored] = []
        self._pairs = {(one.one, one.other): one for one in _read(self._path)}

    def get(self, one: str, other: str) -> Stored | None:
        """The pair of these pictures, in either order."""
        return self._pairs.get((min(one, other), max(one, other)))

    def put(self, pair: Stored) -> None:
        """Remember a pair; now and then the file is written."""
        with self._lock:
            self._pairs[pair.one, pair.other] = pair
            self._waiting.append(pair)
            if len(self._waiting) >= FLUSH:
                self._write()

    def flush(self) -> None:
        """Write the pairs that are not in the file yet."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        lines = [json.dumps([pair.one, pair.other, pair.probability, pair.kind, pair.part]) for pair in self._waiting]
        self._waiting.clear()
        with suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            with self._path.open("a") as file:  # the first line ends one that a kill has torn
                file.write("\n" + "\n".join(lines) + "\n" if lines else "")


def _read(path: Path) -> list[Stored]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError):  # a line that a kill has torn, or an empty one
            found.append(Stored(*json.loads(line)))
    return found
