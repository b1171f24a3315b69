"""The test's side of `launcher`: run commands, kill them, and receive where they were killed."""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.faults.killer import ROOT

log = logging.getLogger(__name__)
KILLED = -9


class Launcher:
    """Runs one command at a time. ``prefix`` is put before the launcher's own command line."""

    def __init__(self, output: Path, prefix: Sequence[str] = ()) -> None:
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tests.faults.launcher"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                cwd=ROOT,
            )

    def send(self, **command: Any) -> None:
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        assert line, self.output.read_text()[-4000:]
        return dict(json.loads(line))

    def run(self, *words: object, at: int = 0, after: float | None = None, **environment: str) -> "Run":
        """Run a command to its end."""
        self.send(run=[str(word) for word in words], at=at, after=after, environment=environment)
        return self.wait()

    def wait(self) -> "Run":
        """Wait until the running command has ended, and collect its messages."""
        messages: dict[str, Any] = {}
        while "ended" not in messages:
            messages |= self.receive()
        return Run(messages)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Run:
    """How a command ended."""

    def __init__(self, messages: dict[str, Any]) -> None:
        self.killed = messages["ended"] == KILLED
        self.done = bool(messages.get("done"))
        self.error = messages.get("error")
        self.phase = messages.get("phase", "")
        self.steps, self.marks, self.seconds = (messages.get(key) for key in ("steps", "marks", "seconds"))
        assert self.killed or messages["ended"] == 0, messages


def moment(rng: np.random.Generator, marks: dict[str, int], begin: int, end: int) -> int:
    """A random step between ``begin`` and ``end``. Each of our functions is equally likely, however long it takes."""
    bounds = [*sorted({begin, *(mark for mark in marks.values() if begin < mark < end)}), end]
    number = int(rng.integers(len(bounds) - 1))
    return int(bounds[number] + (bounds[number + 1] - bounds[number]) * rng.random()) + 1


class Server:
    """`copysight serve` for an index, run by the launcher, and an HTTP client for it."""

    def __init__(self, launcher: Launcher, index: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.launcher = launcher
        launcher.send(run=["serve", "--index", str(index), "--port", str(port)])
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        for _ in range(1200):
            try:
                self.http.get("/readyz")
            except httpx.TransportError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(launcher.output.read_text()[-4000:])

    def arm(self, **how: Any) -> None:
        """Arm the killer inside the server."""
        self.launcher.send(arm=how)
        self.launcher.receive()

    def report(self) -> dict[str, Any]:
        """Steps and marks since `arm`."""
        self.launcher.send(report=True)
        return self.launcher.receive()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The response, or None if the server was killed before it sent one."""
        try:
            return self.http.request(method, path, **more)
        except httpx.TransportError:
            return None

    def kill(self) -> Run:
        """Kill the server if it is still running."""
        self.http.close()
        self.launcher.send(arm={"after": 0.0})
        return self.launcher.wait()
