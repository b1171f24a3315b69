"""Pictures on their way through the model: whoever is free takes what waits, in turns between requests."""

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np

from copysight.embedder import Embedder, Features, Inputs
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


class Turn:
    """One request among others: its pictures take turns with theirs."""


class Batcher:
    """A bounded queue before the model sessions.

    ``runners`` threads make model calls. A free one takes the pictures that wait, up to ``most``, one from each request
    in turn, so that a bulk caller cannot shut out the others. Nobody waits for a timer, and a runner goes from one call
    to the next without asking the event loop, which may be at something else while the model idles.
    """

    def __init__(self, runners: int, most: int, capacity: int, metrics: Metrics) -> None:
        self.most, self.capacity, self.metrics = most, capacity, metrics
        self._loop = asyncio.get_running_loop()
        self._queues: OrderedDict[Turn, deque[Waiting]] = OrderedDict()
        self._accepted = 0
        self._work = threading.Condition()
        self._closing = self._closed = False
        self._runners = [threading.Thread(target=self._run, name=f"model-{n}", daemon=True) for n in range(runners)]
        for runner in self._runners:
            runner.start()

    @property
    def length(self) -> int:
        """Pictures that were accepted and have no answer yet."""
        return self._accepted

    @contextmanager
    def accepted(self, count: int) -> Iterator[Turn]:
        """A turn for a request of ``count`` pictures, refused before anything is decoded: raises ``Overloaded``."""
        if self._closing:
            raise NotReady("the service is shutting down; ask another one, or again in a moment")
        # A request larger than the whole queue is let in when nobody waits, else it could never be answered.
        if self._accepted and self._accepted + count > self.capacity:
            raise Overloaded(
                f"{self._accepted} pictures wait for the model and {count} more do not fit (at most "
                f"{self.capacity}); ask again after a moment, or send fewer at a time"
            )
        self._accepted += count
        try:
            yield Turn()
        finally:
            self._accepted -= count

    async def run(self, turn: Turn, embedder: Embedder, inputs: Inputs, outputs: tuple[str, ...]) -> Features:
        """Features of one prepared picture, without a batch axis. When the caller is cancelled, it leaves the queue."""
        one = Waiting(embedder, inputs, outputs, self._loop.create_future(), time.monotonic())
        with self._work:
            self._queues.setdefault(turn, deque()).append(one)
            self._work.notify()
        try:
            return await one.answer
        except asyncio.CancelledError:
            self._leave(turn, one)
            raise

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        self._closing = True
        while self._accepted:
            await asyncio.sleep(0.01)
        with self._work:
            self._closed = True
            self._work.notify_all()
        await asyncio.gather(*(self._loop.run_in_executor(None, runner.join) for runner in self._runners))

    def _leave(self, turn: Turn, one: Waiting) -> None:
        with self._work:
            queue = self._queues.get(turn)
            if queue is not None and one in queue:
                queue.remove(one)
                if not queue:
                    del self._queues[turn]

    def _run(self) -> None:
        while batch := self._next():
            began = time.monotonic()
            self.metrics.batch.observe(len(batch))
            for one in batch:
                self.metrics.stage("queue", began - one.since)
            try:
                answers: list[Features] | Exception = _features(batch)
            except Exception as error:  # noqa: BLE001 - handed to the callers, whose outermost door logs it
                answers = error
            self.metrics.stage("model", time.monotonic() - began)
            threads.back(self._loop, _deliver, batch, answers)

    def _next(self) -> list[Waiting]:
        """The next batch: of one kind, so that one model call answers it. Empty when closed."""
        with self._work:
            while not self._queues and not self._closed:
                self._work.wait()
            return self._take()

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        while taken := [turn for turn in list(self._queues) if self._take_from(turn, batch)]:
            for turn in taken:
                if turn in self._queues:
                    self._queues.move_to_end(turn)
        return batch

    def _take_from(self, turn: Turn, batch: list[Waiting]) -> bool:
        queue = self._queues[turn]
        if len(batch) >= self.most or (batch and not _alike(batch[0], queue[0])):
            return False
        batch.append(queue.popleft())
        if not queue:
            del self._queues[turn]
        return True


def _alike(one: Waiting, other: Waiting) -> bool:
    return one.embedder is other.embedder and one.outputs == other.outputs


def _features(batch: Sequence[Waiting]) -> list[Features]:
    found = batch[0].embedder.run([one.inputs for one in batch], batch[0].outputs)
    return [_row(found, number) for number in range(len(batch))]


def _row(found: Features, number: int) -> Features:
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    return Features(**{name: None if array is None else np.asarray(array[number]) for name, array in arrays.items()})


def _deliver(batch: Sequence[Waiting], answers: list[Features] | Exception) -> None:
    for number, one in enumerate(batch):
        if one.answer.done():  # its caller has gone
            continue
        if isinstance(answers, Exception):
            one.answer.set_exception(answers)
        else:
            one.answer.set_result(answers[number])
