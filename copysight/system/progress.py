"""Progress of long work, on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS = 30.0


def watched(items: Iterable[T], total: int, note: str, every: float = SECONDS) -> Iterator[T]:
    """``items`` as they are, while stderr says how many of ``total`` are done; off a terminal ``every`` so many s."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=note)
        return
    said = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - said >= every:
            said = time.monotonic()
            sys.stderr.write(f"{note}: {number} of {total}\n")
