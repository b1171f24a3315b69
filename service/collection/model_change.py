"""Retry work once when the live model changes while it runs, because of a re-embedding."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from copysight.errors import BundleMismatch
from copysight.index import Snapshot
from copysight.model.embedder import Embedder
from service.runtime import threads
from service.state import State

T = TypeVar("T")


async def with_live_model(state: State, work: Callable[[Snapshot, Embedder], Awaitable[T]]) -> T:
    """Run ``work`` with the live snapshot and its embedder. If the bundle changes meanwhile, run it once more.

    Raises ``NotWritable`` if the index was moved or replaced.
    """
    try:
        return await _with(state, state.index.snapshot, work)
    except BundleMismatch:
        return await _with(state, state.index.reload, work)


async def _with(state: State, take: Callable[[], Snapshot], work: Callable[[Snapshot, Embedder], Awaitable[T]]) -> T:
    snapshot = await threads.run(state.searchers, _checked, state, take)
    return await work(snapshot, await threads.run(state.searchers, state.writer, snapshot))


def _checked(state: State, take: Callable[[], Snapshot]) -> Snapshot:
    state.index.check_place()
    return take()
