"""Show the progress of a job: a bar on a terminal, a plain line every 10 seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

SECONDS = 10.0
Step = Callable[[int], None]


class Progress:
    """Print the stages of one job to ``out``. With ``quiet``, print nothing."""

    def __init__(self, out: TextIO = sys.stderr, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet

    def print_line(self, line: str) -> None:
        """Print one line."""
        if not self._quiet:
            print(line, file=self._out, flush=True)

    @contextmanager
    def stage(self, name: str, total: int, done: int = 0) -> Iterator[Step]:
        """Show a stage while the block runs. Call the yielded function with the number of newly finished pictures."""
        if self._out.isatty() and not self._quiet:
            with tqdm(total=total, initial=done, desc=name, unit="picture", file=self._out) as bar:
                yield lambda count: _discard(bar.update(count))
        else:
            lines = _Lines(self, name, total, done)
            lines.print_line()
            yield lines
            lines.print_line()


class _Lines:
    def __init__(self, progress: Progress, name: str, total: int, done: int) -> None:
        self._progress, self._name, self._total, self._done = progress, name, total, done
        self._printed_at = time.monotonic()

    def __call__(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._printed_at >= SECONDS:
            self.print_line()

    def print_line(self) -> None:
        self._progress.print_line(f"{self._name}: {self._done:,} of {self._total:,}")
        self._printed_at = time.monotonic()


def _discard(_: object) -> None:
    return None
