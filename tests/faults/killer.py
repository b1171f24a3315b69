"""Kill the own process with SIGKILL at a chosen step or after a chosen time, and report where it was.

A step is a call of any C function (an execute, a write, an fsync, a rename, …) in any thread. Counting steps spreads
the kills over a whole operation, wherever it spends its time, and needs no support in the product.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
ROOMS = tuple(f"{ROOT / room}/" for room in ("copysight", "index_builder", "service"))
INNERMOST = 3

Send = Callable[[dict[str, Any]], None]


class Killer:
    """One instance per process. ``marks`` holds the step of the first call of each of our functions after `arm`."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.steps = 0
        self.at = 0
        self.began = 0.0
        self.marks: dict[str, int] = {}
        sys.setprofile(self._profile)
        threading.setprofile(self._profile)

    def arm(self, at: int = 0, after: float | None = None) -> None:
        """Count steps from now on. Kill the process at the step ``at`` or ``after`` seconds, if one is given."""
        self.steps, self.marks, self.began = 0, {}, time.perf_counter()
        self.at = at
        if after is not None:
            threading.Thread(target=self._die_after, args=(after,), daemon=True).start()

    def report(self) -> dict[str, Any]:
        """The counts since `arm`."""
        return {"steps": self.steps, "marks": self.marks, "seconds": time.perf_counter() - self.began}

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            self.steps += 1
            if self.at and self.steps >= self.at:
                self._die(frames(frame), argument.__name__)
        elif event == "call" and frame.f_code.co_filename.startswith(ROOMS):
            self.marks.setdefault(name(frame), self.steps)

    def _die_after(self, seconds: float) -> None:
        sys.setprofile(None)
        time.sleep(seconds)
        stacks = [frames(frame) for frame in sys._current_frames().values()]
        self._die(max(stacks, key=len), "")

    def _die(self, stack: list[str], function: str) -> None:
        # The interpreter lock is held from here to the end, so no other thread runs Python code.
        self.send({"phase": " < ".join([*([f"{function}()"] if function else []), *stack[:INNERMOST]]) or "elsewhere"})
        os.kill(os.getpid(), signal.SIGKILL)


def frames(frame: FrameType | None) -> list[str]:
    """Our functions in a stack, innermost first."""
    found = []
    while frame is not None:
        if frame.f_code.co_filename.startswith(ROOMS):
            found.append(name(frame))
        frame = frame.f_back
    return found


def name(frame: FrameType) -> str:
    """``module.function`` or ``module.Class.method``."""
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"
