"""Queue pictures for the model and share it fairly between requests."""

import asyncio
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from copysight.model.embedder import Embedder, Features, Inputs
from copysight.pictures.decode import Picture
from service.http.problems import NotReady, Overloaded
from service.runtime import telemetry, threads
from service.runtime.metrics import Metrics
from service.runtime.telemetry import Span

Float = npt.NDArray[np.float32]
SMOOTHING = 0.1
"""Weight of the latest request in the moving average of the pace."""


@dataclass(frozen=True)
class Prepared:
    """A decoded picture, the model's input for it, and the map of its object, if that was asked for."""

    picture: Picture
    inputs: Inputs
    object_map: Float | None = None


@dataclass(frozen=True)
class Inferred:
    """A picture after the model. ``features``: embedding (D,), attention (H, rows, columns), prototypes (K,)."""

    prepared: Prepared
    features: Features


@dataclass(eq=False)
class QueuedPicture:
    """One picture in the queue. ``prepare`` returns its input, or raises the picture's error."""

    embedder: Embedder
    prepare: Callable[[], Prepared]
    outputs: tuple[str, ...]
    answer: asyncio.Future[Inferred]
    since: float
    span: Span | None


class Ticket:
    """Identifies one admitted request; the queue serves tickets round-robin."""


class Batcher:
    """A bounded queue in front of the model sessions.

    ``runners`` threads make model calls. An idle runner takes up to ``max_batch`` waiting pictures, one from each
    request in turn, so a bulk request cannot block the others. No timer delays a batch. A runner takes its next batch
    without the event loop, which may be busy.

    At most ``capacity`` pictures are admitted at a time. A request is refused at once when its last picture would
    probably wait longer than ``max_wait`` seconds, at the pace of the latest requests.
    """

    def __init__(
        self, runners: int, max_batch: int, capacity: int, metrics: Metrics, max_wait: float = math.inf
    ) -> None:
        self.max_batch, self.capacity, self.max_wait, self.metrics = max_batch, capacity, max_wait, metrics
        self._loop = asyncio.get_running_loop()
        self._queues: OrderedDict[Ticket, deque[QueuedPicture]] = OrderedDict()
        self._pending, self._pace = 0, 0.0
        self._lock = threading.Lock()
        self._idle: list[threading.Event] = []
        self._closing = self._closed = False
        self._runners = [threading.Thread(target=self._run, name=f"model-{n}", daemon=True) for n in range(runners)]
        for runner in self._runners:
            runner.start()

    @property
    def length(self) -> int:
        """Number of admitted pictures that have no answer yet."""
        return self._pending

    @contextmanager
    def admit(self, count: int) -> Iterator[Ticket]:
        """Admit a request of ``count`` pictures, before anything is decoded. Raises ``Overloaded``, ``NotReady``."""
        if self._closing:
            raise NotReady("the service is shutting down; try again in a moment, or use another server")
        # An empty queue admits every request: else a large request, or one after a slow one, could never be answered.
        if self._pending:
            self._check_capacity(count)
        self._pending += count
        ahead, began, completed = max(self._pending, len(self._runners)), self._loop.time(), False
        try:
            yield Ticket()
            completed = True
        finally:
            self._pending -= count
            self._update_pace((self._loop.time() - began) / ahead, completed)

    def _check_capacity(self, count: int) -> None:
        wait = self._pace * (self._pending + count)
        if self._pending + count > self.capacity:
            reason = f"do not fit (the limit is {self.capacity})"
        elif wait > self.max_wait:
            reason = f"would be answered too late, after {wait:.0f} s"
        else:
            return
        raise Overloaded(
            f"{self._pending} pictures wait for the model and {count} more {reason}; try again in a moment, or send "
            "fewer pictures at a time",
            after=max(1, math.ceil(wait - self.max_wait)) if wait > self.max_wait else 1,
        )

    def _update_pace(self, pace: float, completed: bool) -> None:
        """Update the moving average of the ``pace``: seconds of a request for each picture in the queue.

        If the request was not ``completed``, its pace is a lower bound, so it can only raise the average.
        """
        if completed or pace > self._pace:
            self._pace += (SMOOTHING if self._pace else 1.0) * (pace - self._pace)

    async def run(
        self, ticket: Ticket, embedder: Embedder, prepare: Callable[[], Prepared], outputs: tuple[str, ...]
    ) -> Inferred:
        """Put one picture through the model. A runner calls ``prepare``; what it raises is raised here.

        When the caller is cancelled, the picture leaves the queue.
        """
        queued = QueuedPicture(
            embedder, prepare, outputs, self._loop.create_future(), time.monotonic(), telemetry.current()
        )
        with self._lock:
            self._queues.setdefault(ticket, deque()).append(queued)
            if self._idle:  # the runner that became idle last: its processor's caches are still warm
                self._idle.pop().set()
        try:
            return await queued.answer
        except asyncio.CancelledError:
            self._remove(ticket, queued)
            raise

    async def close(self) -> None:
        """Finish the admitted pictures, then stop the runners."""
        self._closing = True
        while self._pending:
            await asyncio.sleep(0.01)
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().set()
        await asyncio.gather(*(self._loop.run_in_executor(None, runner.join) for runner in self._runners))

    def _remove(self, ticket: Ticket, queued: QueuedPicture) -> None:
        with self._lock:
            queue = self._queues.get(ticket)
            if queue is not None and queued in queue:
                queue.remove(queued)
                if not queue:
                    del self._queues[ticket]

    def _run(self) -> None:
        wake = threading.Event()
        while batch := self._next_batch(wake):
            began = time.monotonic()
            self.metrics.batch.observe(len(batch))
            for queued in batch:
                self.metrics.observe_stage("queue", began - queued.since, (queued.span,))
            threads.call_in_loop(self._loop, _deliver, [queued.answer for queued in batch], self._infer(batch))

    def _infer(self, batch: Sequence[QueuedPicture]) -> list[Inferred | Exception]:
        prepared = [_prepare(queued) for queued in batch]
        good = [one for one in prepared if isinstance(one, Prepared)]
        began = time.monotonic()
        try:
            rows = iter(_features(batch[0], [one.inputs for one in good]) if good else [])
        except Exception as error:  # noqa: BLE001 - handed to the callers, whose outermost door logs it
            return [error if isinstance(one, Prepared) else one for one in prepared]
        self.metrics.observe_stage("model", time.monotonic() - began, {queued.span for queued in batch})
        return [Inferred(one, next(rows)) if isinstance(one, Prepared) else one for one in prepared]

    def _next_batch(self, wake: threading.Event) -> list[QueuedPicture]:
        """Wait for the next batch, which one model call can answer. Empty when closed."""
        while True:
            with self._lock:
                if self._queues or self._closed:
                    return self._take()
                wake.clear()
                self._idle.append(wake)
            wake.wait()

    def _take(self) -> list[QueuedPicture]:
        batch: list[QueuedPicture] = []
        while taken := [ticket for ticket in list(self._queues) if self._take_from(ticket, batch)]:
            for ticket in taken:
                if ticket in self._queues:
                    self._queues.move_to_end(ticket)
        return batch

    def _take_from(self, ticket: Ticket, batch: list[QueuedPicture]) -> bool:
        queue = self._queues[ticket]
        if len(batch) >= self.max_batch or (batch and not _same_call(batch[0], queue[0])):
            return False
        batch.append(queue.popleft())
        if not queue:
            del self._queues[ticket]
        return True


def _same_call(one: QueuedPicture, other: QueuedPicture) -> bool:
    return one.embedder is other.embedder and one.outputs == other.outputs


def _prepare(queued: QueuedPicture) -> Prepared | Exception:
    try:
        return telemetry.within(queued.span, queued.prepare)
    except Exception as error:  # noqa: BLE001 - handed to its caller only; the other pictures of the batch go on
        return error


def _features(first: QueuedPicture, inputs: Sequence[Inputs]) -> list[Features]:
    found = first.embedder.run(inputs, first.outputs)
    return [_row(found, number) for number in range(len(inputs))]


def _row(found: Features, number: int) -> Features:
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    return Features(**{name: None if array is None else np.asarray(array[number]) for name, array in arrays.items()})


def _deliver(futures: Sequence[asyncio.Future[Inferred]], answers: Sequence[Inferred | Exception]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():  # its caller was cancelled
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
