"""Where pictures are decoded: in the threads of the service, or in processes that a hostile file may break."""

import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from PIL import Image

from copysight.errors import CorruptPicture, PictureError
from copysight.pictures.decode import Limits, Picture, check_bytes, decode
from service.http.problems import DecoderCrashed, DecoderOutOfMemory, DecoderTooSlow
from service.intake import decode_worker
from service.intake.decode_worker import Message
from service.runtime.settings import Settings

START_SECONDS = 60.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""A pool of threads in each worker would only take memory: NumPy starts one for each processor."""


class Decoding(Protocol):
    """Bytes to a picture, from any thread."""

    def decode(self, data: bytes, at_least: int | None = None) -> Picture:
        """As ``images.decode``. Raises a ``PictureError``."""

    def close(self) -> None:
        """Let go of what it holds."""


class Threads:
    """In the caller's own thread: the fastest. Pillow's decoders are trusted not to crash and not to hang."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, data: bytes, at_least: int | None = None) -> Picture:
        """As ``images.decode``."""
        return decode(data, self._limits, at_least)

    def close(self) -> None:
        """Nothing to let go of."""


class Processes:
    """In worker processes, each under a cap of memory and of time; one that breaks is replaced.

    ``memory`` is in bytes beyond what an idle worker maps, ``seconds`` those of one picture.
    """

    def __init__(self, count: int, limits: Limits, memory: int, seconds: float) -> None:
        self._limits, self._memory, self._seconds = limits, memory, seconds
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        for _ in range(count):
            self._free.put(self._start())

    @property
    def pids(self) -> list[int]:
        """The processes at the moment."""
        with self._lock:
            return [one.process.pid for one in self._all]

    def decode(self, data: bytes, at_least: int | None = None) -> Picture:
        """As ``images.decode``; raises ``DecoderCrashed``, ``DecoderTooSlow`` and ``DecoderOutOfMemory``, too."""
        check_bytes(data, self._limits)
        with self._borrowed() as one:
            answer = one.ask(Message({"at_least": at_least}, data), self._seconds)
        return _picture(answer, self._limits)

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            for one in self._all:
                one.end()
            self._all.clear()

    @contextmanager
    def _borrowed(self) -> Iterator["_Worker"]:
        one = self._free.get()
        try:
            if not one.alive:  # it was ended while nobody used it
                one = self._replaced(one)
            try:
                yield one
            except PictureError:
                one = self._replaced(one)
                raise
        finally:
            self._free.put(one)

    def _replaced(self, broken: "_Worker") -> "_Worker":
        broken.end()
        with self._lock:
            self._all.discard(broken)
        return self._start()

    def _start(self) -> "_Worker":
        started = _Worker(self._limits, self._memory, self._seconds)
        with self._lock:
            self._all.add(started)
        return started


class _Worker:
    """One process and the socket to it. It starts while nobody waits; the first question waits for it."""

    def __init__(self, limits: Limits, memory: int, seconds: float) -> None:
        self._largest = limits.max_pixels * 3
        self._channel, theirs = socket.socketpair()
        command = decode_worker.arguments(limits, memory, seconds)
        with theirs:
            # A session of its own: a Ctrl-C is the service's to handle.
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                command, stdin=theirs.fileno(), env=os.environ | ONE_THREAD, start_new_session=True
            )
        self._ready = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, question: Message, seconds: float) -> Message:
        """The answer. Raises ``DecoderCrashed``, ``DecoderTooSlow`` or ``DecoderOutOfMemory``: then end it."""
        if not self._ready:
            self._receive(time.monotonic() + START_SECONDS)
            self._ready = True
        deadline = time.monotonic() + seconds
        try:
            self._channel.settimeout(seconds)
            decode_worker.send(self._channel, question)
            answer = self._receive(deadline)
        except TimeoutError as error:
            raise DecoderTooSlow(
                f"got a picture that took longer than {seconds:g} s to decode; send a smaller one, saved anew"
            ) from error
        except (OSError, ValueError) as error:
            raise _crashed() from error
        if answer.head.get("code") == decode_worker.OUT_OF_MEMORY:
            raise DecoderOutOfMemory("got a picture that takes more memory than its decoder has; send a smaller one")
        return answer

    def end(self) -> None:
        self._channel.close()
        self.process.kill()
        self.process.wait()

    def _receive(self, deadline: float) -> Message:
        answer = decode_worker.receive(self._channel, self._largest, deadline)
        if answer is None:
            raise _crashed()
        return answer


def of(settings: Settings, workers: int) -> Decoding:
    """What the settings ask for; ``workers`` processes, if any."""
    if settings.decode == "process":
        return Processes(workers, settings.limits, settings.decode_memory, settings.decode_seconds)
    return Threads(settings.limits)


def _crashed() -> DecoderCrashed:
    return DecoderCrashed("got a picture that broke the process decoding it; send it saved anew by another program")


def _picture(answer: Message, limits: Limits) -> Picture:
    """The picture of an answer. The worker may have been taken over by what it read, so nothing is believed of it."""
    head = answer.head
    if "code" in head:
        raise _ERRORS.get(str(head["code"]), CorruptPicture)(str(head.get("message", "")))
    sizes = [head.get(name) for name in ("columns", "rows", "width", "height")]
    if not all(isinstance(size, int) and 0 < size <= limits.max_pixels for size in sizes):
        raise _crashed()
    columns, rows, width, height = (int(str(size)) for size in sizes)
    if columns * rows * 3 != len(answer.body) or head.get("format") not in limits.formats:
        raise _crashed()
    return Picture(Image.frombytes("RGB", (columns, rows), answer.body), width, height, str(head["format"]))


_ERRORS = {kind.code: kind for kind in PictureError.__subclasses__()}
