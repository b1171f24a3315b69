"""The one crossing from the event loop to threads, the one way back, and how threads share the interpreter."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
TURN = 0.0005
"""Seconds that a thread may keep the interpreter from the others; Python's own 5 ms let a model's thread wait for the
loop: 2 % fewer pictures a second."""


def take_short_turns() -> None:
    """Have the threads of this process take turns of ``TURN`` at the interpreter."""
    sys.setswitchinterval(TURN)


async def on(pool: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in a thread of ``pool`` and wait for it without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(pool, partial(work, *args, **kwargs))


def back(loop: asyncio.AbstractEventLoop, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """From a thread: let ``loop`` call ``work`` soon."""
    loop.call_soon_threadsafe(partial(work, *args, **kwargs))
