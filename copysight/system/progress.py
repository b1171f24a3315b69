"""Show the progress of long work on stderr: a bar on a terminal, otherwise a line every 30 seconds."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
INTERVAL = 30.0
"""Seconds between two lines when stderr is not a terminal."""


def with_progress(items: Iterable[T], total: int, label: str, interval: float = INTERVAL) -> Iterator[T]:
    """Yield ``items`` unchanged and print to stderr how many of ``total`` are done. ``interval`` is in seconds."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=label)
        return
    printed = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - printed >= interval:
            printed = time.monotonic()
            sys.stderr.write(f"{label}: {number} of {total}\n")
