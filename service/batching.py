"""Pictures on their way through the model: whoever is free takes what waits, in turns between requests."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np

from copysight.embedder import Embedder, Features, Inputs
from copysight.errors import CopysightError
from service import threads
from service.errors import NotReady, Overloaded
from service.metrics import Metrics


@dataclass(eq=False)
class Waiting:
    """One prepared picture in the queue."""

    embedder: Embedder
    inputs: Inputs
    outputs: tuple[str, ...]
    answer: asyncio.Future[Features]
    since: float


class Batcher:
    """A bounded queue before the model sessions.

    ``runners`` model calls run at a time. A free one takes the pictures that wait, up to ``most``, one from each
    request in turn, so that a bulk caller cannot shut out the others. Nobody waits for a timer.
    """

    def __init__(self, runners: int, most: int, capacity: int, metrics: Metrics) -> None:
        self.most, self.capacity, self.metrics = most, capacity, metrics
        self._pool = ThreadPoolExecutor(runners, thread_name_prefix="model")
        self._queues: OrderedDict[object, deque[Waiting]] = OrderedDict()
        self._waiting = 0
        self._work = asyncio.Condition()
        self._closing = False
        self._tasks = [asyncio.create_task(self._run()) for _ in range(runners)]

    async def run(self, embedder: Embedder, inputs: Sequence[Inputs], outputs: tuple[str, ...]) -> list[Features]:
        """Features of each of ``inputs``, one picture each. Raises ``Overloaded`` when the queue is full.

        When the caller is cancelled, its pictures leave the queue.
        """
        loop, now = asyncio.get_running_loop(), time.monotonic()
        mine = [Waiting(embedder, one, outputs, loop.create_future(), now) for one in inputs]
        await self._enter(mine)
        try:
            return list(await asyncio.gather(*(one.answer for one in mine)))
        finally:
            for one in mine:
                one.answer.cancel()

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        async with self._work:
            self._closing = True
            self._work.notify_all()
        await asyncio.gather(*self._tasks)
        self._pool.shutdown()

    @property
    def length(self) -> int:
        """Pictures that wait."""
        return self._waiting

    async def _enter(self, mine: Sequence[Waiting]) -> None:
        async with self._work:
            if self._closing:
                raise NotReady("the service is shutting down; ask another one, or again in a moment")
            # A request larger than the whole queue is let in when nobody waits, else it could never be answered.
            if self._waiting and self._waiting + len(mine) > self.capacity:
                raise Overloaded(
                    f"{self._waiting} pictures wait for the model and {len(mine)} more do not fit (at most "
                    f"{self.capacity}); ask again after a moment, or send fewer at a time"
                )
            self._queues[object()] = deque(mine)
            self._waiting += len(mine)
            self._work.notify_all()

    async def _run(self) -> None:
        while batch := await self._next():
            self.metrics.batch.observe(len(batch))
            for one in batch:
                self.metrics.stage("queue", time.monotonic() - one.since)
            began = time.monotonic()
            try:
                answers = await threads.on(self._pool, _features, batch)
            except CopysightError as error:
                _refuse(batch, error)
            except Exception as error:  # noqa: BLE001 - handed to the callers, whose outermost door logs it
                _refuse(batch, error)
            else:
                for one, answer in zip(batch, answers, strict=True):
                    if not one.answer.done():
                        one.answer.set_result(answer)
            self.metrics.stage("model", time.monotonic() - began)

    async def _next(self) -> list[Waiting]:
        """The next batch: of one kind, so that one model call answers it. Empty when closing."""
        async with self._work:
            while True:
                batch = self._take()
                if batch or (self._closing and not self._queues):
                    return batch
                await self._work.wait()

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        for key in list(self._queues):
            queue = self._queues[key]
            while queue and queue[0].answer.done():  # its caller has gone
                queue.popleft()
                self._waiting -= 1
            if queue and len(batch) < self.most and (not batch or _alike(batch[0], queue[0])):
                batch.append(queue.popleft())
                self._waiting -= 1
                self._queues.move_to_end(key)
            if not queue:
                del self._queues[key]
        return batch


def _alike(one: Waiting, other: Waiting) -> bool:
    return one.embedder is other.embedder and one.outputs == other.outputs


def _features(batch: Sequence[Waiting]) -> list[Features]:
    found = batch[0].embedder.run([one.inputs for one in batch], batch[0].outputs)
    return [_row(found, number) for number in range(len(batch))]


def _row(found: Features, number: int) -> Features:
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    return Features(**{name: None if array is None else np.asarray(array[number]) for name, array in arrays.items()})


def _refuse(batch: Sequence[Waiting], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
