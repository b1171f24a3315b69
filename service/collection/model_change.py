"""Work that stores what a model made, beside a re-embedding that may make another model live at any moment."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from copysight.errors import BundleMismatch
from copysight.index import Snapshot
from copysight.model.embedder import Embedder
from service.runtime import threads
from service.state import State

T = TypeVar("T")


async def live(state: State, work: Callable[[Snapshot, Embedder], Awaitable[T]]) -> T:
    """``work`` with the live snapshot and its embedder; once more, with the next ones, if these were overtaken."""
    try:
        return await _with(state, state.index.snapshot, work)
    except BundleMismatch:
        return await _with(state, state.index.reload, work)


async def _with(state: State, take: Callable[[], Snapshot], work: Callable[[Snapshot, Embedder], Awaitable[T]]) -> T:
    snapshot = await threads.on(state.searchers, take)
    return await work(snapshot, await threads.on(state.searchers, state.writer, snapshot))
