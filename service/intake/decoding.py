"""Decode pictures, either in the threads of the service or in separate processes that hostile files may crash."""

import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from PIL import Image

from copysight.errors import CorruptPicture, PictureError
from copysight.pictures import exact
from copysight.pictures.decode import Limits, Picture, check_bytes, decode
from copysight.pictures.exposure import LONGEST, UNSTORABLE
from service.http.problems import DecoderCrashed, DecoderOutOfMemory, DecoderTooSlow
from service.intake import decode_worker
from service.intake.decode_worker import Message
from service.runtime.settings import Settings

START_SECONDS = 60.0
DIGITS = 64
"""Length of a digest (SHA-256 in hexadecimal)."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""NumPy starts a thread for each processor by default; in a worker they would only take memory."""


class Decoder(Protocol):
    """Decodes files to pictures. Thread-safe."""

    def decode(self, data: bytes, at_least: int | None = None) -> Picture:
        """Like ``copysight.pictures.decode.decode``. Raises ``PictureError``."""

    def digest(self, data: bytes) -> str | None:
        """Like ``copysight.pictures.exact.digest``. Raises ``PictureError``."""

    def close(self) -> None:
        """Release all resources."""


class ThreadDecoder:
    """Decodes in the caller's thread: the fastest way. Relies on Pillow's decoders not to crash and not to hang."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, data: bytes, at_least: int | None = None) -> Picture:
        """Like ``copysight.pictures.decode.decode``."""
        return decode(data, self._limits, at_least)

    def digest(self, data: bytes) -> str | None:
        """Like ``copysight.pictures.exact.digest``."""
        return exact.digest(data, self._limits)

    def close(self) -> None:
        """Nothing to release."""


class ProcessDecoder:
    """Decodes in worker processes with limits of memory and time. A worker that crashes is replaced.

    ``memory``: bytes beyond what an idle worker maps. ``seconds``: time limit of one picture.
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
        """Process ids of the current workers."""
        with self._lock:
            return [one.process.pid for one in self._all]

    def decode(self, data: bytes, at_least: int | None = None) -> Picture:
        """Like ``ThreadDecoder``. Also raises ``DecoderCrashed``, ``DecoderTooSlow`` and ``DecoderOutOfMemory``."""
        return _picture(self._answer(Message({"at_least": at_least}, data)), self._limits)

    def digest(self, data: bytes) -> str | None:
        """Like ``ThreadDecoder``. Raises the errors of `decode`."""
        return _digest(self._answer(Message({"digest": True}, data)))

    def close(self) -> None:
        """Kill all workers."""
        with self._lock:
            for worker in self._all:
                worker.kill()
            self._all.clear()

    def _answer(self, request: Message) -> Message:
        check_bytes(request.body, self._limits)
        with self._worker() as worker:
            return worker.request(request, self._seconds)

    @contextmanager
    def _worker(self) -> Iterator["_Worker"]:
        worker = self._free.get()
        try:
            if not worker.alive:  # it was killed while idle
                worker = self._replace(worker)
            try:
                yield worker
            except PictureError:
                worker = self._replace(worker)
                raise
        finally:
            self._free.put(worker)

    def _replace(self, broken: "_Worker") -> "_Worker":
        broken.kill()
        with self._lock:
            self._all.discard(broken)
        return self._start()

    def _start(self) -> "_Worker":
        started = _Worker(self._limits, self._memory, self._seconds)
        with self._lock:
            self._all.add(started)
        return started


class _Worker:
    """One process and the socket to it. The constructor does not wait for the start; the first request does."""

    def __init__(self, limits: Limits, memory: int, seconds: float) -> None:
        self._largest = limits.max_pixels * 3
        self._channel, theirs = socket.socketpair()
        command = decode_worker.arguments(limits, memory, seconds)
        with theirs:
            # A session of its own, so that Ctrl-C reaches only the service.
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                command, stdin=theirs.fileno(), env=os.environ | ONE_THREAD, start_new_session=True
            )
        self._ready = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def request(self, message: Message, seconds: float) -> Message:
        """Send a message and return the answer.

        Raises ``DecoderCrashed``, ``DecoderTooSlow`` or ``DecoderOutOfMemory``; the worker must then be killed.
        """
        if not self._ready:
            self._receive(time.monotonic() + START_SECONDS)
            self._ready = True
        deadline = time.monotonic() + seconds
        try:
            self._channel.settimeout(seconds)
            decode_worker.send(self._channel, message)
            answer = self._receive(deadline)
        except TimeoutError as error:
            raise DecoderTooSlow(
                f"got a picture that took longer than {seconds:g} s to decode; send a smaller one or save it anew"
            ) from error
        except (OSError, ValueError) as error:
            raise _crashed() from error
        if answer.head.get("code") == decode_worker.OUT_OF_MEMORY:
            raise DecoderOutOfMemory(
                "got a picture that needs more memory than the decoder may use; send a smaller one"
            )
        return answer

    def kill(self) -> None:
        self._channel.close()
        self.process.kill()
        self.process.wait()

    def _receive(self, deadline: float) -> Message:
        answer = decode_worker.receive(self._channel, self._largest, deadline)
        if answer is None:
            raise _crashed()
        return answer


def create(settings: Settings, workers: int) -> Decoder:
    """The decoder that the settings choose. A process decoder gets ``workers`` processes."""
    if settings.decode == "process":
        return ProcessDecoder(workers, settings.limits, settings.decode_memory, settings.decode_seconds)
    return ThreadDecoder(settings.limits)


def _crashed() -> DecoderCrashed:
    return DecoderCrashed("got a picture that crashed its decoder; save it with another program and send it again")


def _picture(answer: Message, limits: Limits) -> Picture:
    """The picture of an answer. A hostile file may control the worker, so every field is checked."""
    head = answer.head
    _raise_error(answer)
    sizes = [head.get(name) for name in ("columns", "rows", "width", "height")]
    if not all(isinstance(size, int) and 0 < size <= limits.max_pixels for size in sizes):
        raise _crashed()
    columns, rows, width, height = (int(str(size)) for size in sizes)
    if columns * rows * 3 != len(answer.body) or head.get("format") not in limits.formats:
        raise _crashed()
    pixels = Image.frombytes("RGB", (columns, rows), answer.body)
    return Picture(pixels, width, height, str(head["format"]), _fact(head, "taken"), _fact(head, "camera"))


def _fact(head: Mapping[str, Any], name: str) -> str | None:
    found = head.get(name)
    if found is not None and (not isinstance(found, str) or len(found) > LONGEST or UNSTORABLE.search(found)):
        raise _crashed()
    return found


def _digest(answer: Message) -> str | None:
    _raise_error(answer)
    found = answer.head.get("digest")
    if found is not None and not (isinstance(found, str) and len(found) == DIGITS):
        raise _crashed()
    return found


def _raise_error(answer: Message) -> None:
    if "code" in answer.head:
        raise _ERRORS.get(str(answer.head["code"]), CorruptPicture)(str(answer.head.get("message", "")))


_ERRORS = {kind.code: kind for kind in PictureError.__subclasses__()}
