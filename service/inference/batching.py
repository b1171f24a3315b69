"""Pictures on their way through the model: whoever is free takes what waits, in turns between requests."""

import asyncio
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np

from copysight.model.embedder import Embedder, Features, Inputs
from copysight.pictures.decode import Picture
from service.http.problems import NotReady, Overloaded
from service.runtime import threads
from service.runtime.metrics import Metrics

LATEST = 0.1
"""Share of the latest request in the pace that is expected of the next ones."""


@dataclass(frozen=True)
class Prepared:
    """A decoded picture with the input that the model takes of it."""

    picture: Picture
    inputs: Inputs


@dataclass(frozen=True)
class Inferred:
    """A picture that the model has seen. ``features`` hold one row each: (D,), (H, rows, columns), (K,)."""

    prepared: Prepared
    features: Features


@dataclass(eq=False)
class Waiting:
    """One picture in the queue; ``prepare`` gives its input, or raises what is wrong with it."""

    embedder: Embedder
    prepare: Callable[[], Prepared]
    outputs: tuple[str, ...]
    answer: asyncio.Future[Inferred]
    since: float


class Turn:
    """One request among others: its pictures take turns with theirs."""


class Batcher:
    """A bounded queue before the model sessions.

    ``runners`` threads make model calls. A free one takes the pictures that wait, up to ``most``, one from each request
    in turn, so that a bulk caller cannot shut out the others. Nobody waits for a timer, and a runner goes from one call
    to the next without asking the event loop, which may be at something else while the model idles.

    At most ``capacity`` pictures are accepted at a time, and no more than are expected to be answered in ``patience``
    seconds, by the pace of the latest requests: who would not get an answer in time hears so at once.
    """

    def __init__(self, runners: int, most: int, capacity: int, metrics: Metrics, patience: float = math.inf) -> None:
        self.most, self.capacity, self.patience, self.metrics = most, capacity, patience, metrics
        self._loop = asyncio.get_running_loop()
        self._queues: OrderedDict[Turn, deque[Waiting]] = OrderedDict()
        self._accepted, self._pace = 0, 0.0
        self._lock = threading.Lock()
        self._idle: list[threading.Event] = []
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
        # When nobody waits every request is let in: else a large one, or one after a slow one, could never be answered.
        if self._accepted:
            self._check_room(count)
        self._accepted += count
        ahead, began, whole = max(self._accepted, len(self._runners)), self._loop.time(), False
        try:
            yield Turn()
            whole = True
        finally:
            self._accepted -= count
            self._learn((self._loop.time() - began) / ahead, whole)

    def _check_room(self, count: int) -> None:
        wait = self._pace * (self._accepted + count)
        if self._accepted + count > self.capacity:
            reason = f"do not fit (at most {self.capacity})"
        elif wait > self.patience:
            reason = f"would be answered after {wait:.0f} s, too late"
        else:
            return
        raise Overloaded(
            f"{self._accepted} pictures wait for the model and {count} more {reason}; ask again after a moment, or "
            "send fewer at a time",
            after=max(1, math.ceil(wait - self.patience)) if wait > self.patience else 1,
        )

    def _learn(self, pace: float, whole: bool) -> None:
        """``pace``: seconds that a request took for each picture before it and in it, at least, if it was given up."""
        if whole or pace > self._pace:
            self._pace += (LATEST if self._pace else 1.0) * (pace - self._pace)

    async def run(
        self, turn: Turn, embedder: Embedder, prepare: Callable[[], Prepared], outputs: tuple[str, ...]
    ) -> Inferred:
        """What the model sees in one picture, or what ``prepare``, which a runner calls, raises of it.

        When the caller is cancelled, the picture leaves the queue.
        """
        one = Waiting(embedder, prepare, outputs, self._loop.create_future(), time.monotonic())
        with self._lock:
            self._queues.setdefault(turn, deque()).append(one)
            if self._idle:  # who went idle last is still warm in a processor's caches
                self._idle.pop().set()
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
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().set()
        await asyncio.gather(*(self._loop.run_in_executor(None, runner.join) for runner in self._runners))

    def _leave(self, turn: Turn, one: Waiting) -> None:
        with self._lock:
            queue = self._queues.get(turn)
            if queue is not None and one in queue:
                queue.remove(one)
                if not queue:
                    del self._queues[turn]

    def _run(self) -> None:
        bell = threading.Event()
        while batch := self._next(bell):
            began = time.monotonic()
            self.metrics.batch.observe(len(batch))
            for one in batch:
                self.metrics.stage("queue", began - one.since)
            threads.back(self._loop, _deliver, [one.answer for one in batch], self._answers(batch))

    def _answers(self, batch: Sequence[Waiting]) -> list[Inferred | Exception]:
        prepared = [_prepared(one) for one in batch]
        good = [one for one in prepared if isinstance(one, Prepared)]
        began = time.monotonic()
        try:
            rows = iter(_features(batch[0], [one.inputs for one in good]) if good else [])
        except Exception as error:  # noqa: BLE001 - handed to the callers, whose outermost door logs it
            return [error if isinstance(one, Prepared) else one for one in prepared]
        self.metrics.stage("model", time.monotonic() - began)
        return [Inferred(one, next(rows)) if isinstance(one, Prepared) else one for one in prepared]

    def _next(self, bell: threading.Event) -> list[Waiting]:
        """The next batch: of one kind, so that one model call answers it. Empty when closed."""
        while True:
            with self._lock:
                if self._queues or self._closed:
                    return self._take()
                bell.clear()
                self._idle.append(bell)
            bell.wait()

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


def _prepared(one: Waiting) -> Prepared | Exception:
    try:
        return one.prepare()
    except Exception as error:  # noqa: BLE001 - handed to its caller alone: the neighbours are unharmed
        return error


def _features(first: Waiting, inputs: Sequence[Inputs]) -> list[Features]:
    found = first.embedder.run(inputs, first.outputs)
    return [_row(found, number) for number in range(len(inputs))]


def _row(found: Features, number: int) -> Features:
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    return Features(**{name: None if array is None else np.asarray(array[number]) for name, array in arrays.items()})


def _deliver(futures: Sequence[asyncio.Future[Inferred]], answers: Sequence[Inferred | Exception]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():  # its caller has gone
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
