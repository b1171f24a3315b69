"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

SECONDS = 10.0
Step = Callable[[int], None]


class Progress:
    """Tells of the stages of one job on ``out``; ``quiet`` says nothing."""

    def __init__(self, out: TextIO = sys.stderr, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet

    def say(self, line: str) -> None:
        """One line."""
        if not self._quiet:
            print(line, file=self._out, flush=True)

    @contextmanager
    def stage(self, name: str, total: int, done: int = 0) -> Iterator[Step]:
        """While a stage runs: call what is yielded with the number of things that were finished since."""
        if self._out.isatty() and not self._quiet:
            with tqdm(total=total, initial=done, desc=name, unit="picture", file=self._out) as bar:
                yield lambda count: _discard(bar.update(count))
        else:
            lines = _Lines(self, name, total, done)
            lines.say()
            yield lines
            lines.say()


class _Lines:
    def __init__(self, progress: Progress, name: str, total: int, done: int) -> None:
        self._progress, self._name, self._total, self._done = progress, name, total, done
        self._said = time.monotonic()

    def __call__(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._said >= SECONDS:
            self.say()

    def say(self) -> None:
        self._progress.say(f"{self._name}: {self._done:,} of {self._total:,}")
        self._said = time.monotonic()


def _discard(_: object) -> None:
    return None
