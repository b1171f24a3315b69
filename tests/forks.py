"""Processes of ``copysight`` that are forks of one with its modules loaded: 0.5 s a start in place of two to five.

They run the same program as ``python -m cli``, with their own environment and output, and can be killed at any moment.
"""

import atexit
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
REQUEST_BYTES = 1 << 20


class Forked:
    """A running fork, with the methods of ``subprocess.Popen`` that the tests use."""

    def __init__(self, pid: int, end: socket.socket, *files: IO[str]) -> None:
        self.pid, self._end, self._files = pid, end, files
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._receive(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._receive(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("copysight", timeout or 0)
        return code

    def communicate(self, timeout: float) -> list[str]:
        """Wait for its end. Reads what it wrote into its files, which were opened for that, too, and closes them."""
        self.wait(timeout)
        texts = []
        for file in self._files:
            with file:
                file.seek(0)
                texts.append(file.read())
        return texts

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _receive(self, timeout: float | None) -> int | None:
        """The exit code, which its parent sends when it has ended; None if that takes longer."""
        if self.returncode is None:
            self._end.settimeout(timeout)
            try:
                self.returncode = _number(self._end)
            except (BlockingIOError, TimeoutError):
                return None
            self._end.close()
        return self.returncode


class ForkServer:
    """A process that loads modules once, and makes forks of itself that become commands."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._requests: socket.socket | None = None

    def start(self, words: Sequence[str], environment: Mapping[str, str], output: IO[str], errors: IO[str]) -> Forked:
        """Start ``copysight`` with some words."""
        ours, theirs = socket.socketpair()
        with theirs:
            request = json.dumps([[*words], dict(environment), str(Path.cwd())]).encode()
            socket.send_fds(self._running(), [request], [theirs.fileno(), output.fileno(), errors.fileno()])
        return Forked(_number(ours), ours, output, errors)

    def _running(self) -> socket.socket:
        """The socket for requests. The modules are loaded for one thread: a library's threads do not survive a fork."""
        if self._requests is None:
            self._requests, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-m", "tests.forks", str(theirs.fileno()), *self._modules]
                one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
                process = subprocess.Popen(command, env=one_thread, pass_fds=[theirs.fileno()], cwd=ROOT)
            atexit.register(process.wait)
            atexit.register(self._requests.close)
        return self._requests


def fork_requests(requests: socket.socket) -> list[str] | None:
    """Make forks until the tests end. In a fork: the words of its command; in this process: None."""
    running: dict[int, tuple[int, socket.socket]] = {}  # by the file descriptor of the process
    with selectors.DefaultSelector() as ready:
        ready.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is not requests:
                    pid, end = running.pop(key.fd)
                    ready.unregister(key.fd)
                    os.close(key.fd)
                    with end:
                        _tell(end, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                    continue
                message, descriptors, *_ = socket.recv_fds(requests, REQUEST_BYTES, 3)
                if not message:
                    return None
                if (pid := os.fork()) == 0:
                    for descriptor, (_, end) in running.items():
                        os.close(descriptor)
                        end.close()
                    requests.close()
                    return _become(json.loads(message), descriptors)
                end = socket.socket(fileno=descriptors[0])
                os.close(descriptors[1])
                os.close(descriptors[2])
                descriptor = os.pidfd_open(pid)
                running[descriptor] = pid, end
                ready.register(descriptor, selectors.EVENT_READ)
                _tell(end, pid)


def _number(end: socket.socket) -> int:
    message = end.recv(64)
    if not message:
        raise ChildProcessError("the process that makes the forks of the tests has ended; its errors are above")
    return int(message)


def _tell(end: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):  # the test does not listen any more
        end.send(str(number).encode())


def _become(request: list[Any], descriptors: list[int]) -> list[str]:
    words, environment, folder = request
    os.close(descriptors[0])
    for number, descriptor in enumerate(descriptors[1:], 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return list(words)


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        importlib.import_module(name)
    words = fork_requests(requests)
    if words is not None:
        sys.argv = ["copysight", *words]
        runpy.run_module("cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
