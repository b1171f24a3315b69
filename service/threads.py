"""The one crossing from the event loop to threads, and the one way back."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def on(pool: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in a thread of ``pool`` and wait for it without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(pool, partial(work, *args, **kwargs))


def back(loop: asyncio.AbstractEventLoop, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """From a thread: let ``loop`` call ``work`` soon."""
    loop.call_soon_threadsafe(partial(work, *args, **kwargs))
