"""The test's end of `launcher`: runs commands, kills them, hears where that was."""

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
    """One command at a time; ``prefix`` is what the launcher itself is run by."""

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

    def tell(self, **command: Any) -> None:
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        assert line, self.output.read_text()[-4000:]
        return dict(json.loads(line))

    def run(self, *words: object, at: int = 0, after: float | None = None, **environment: str) -> "Run":
        """Run a command to its end."""
        self.tell(run=[str(word) for word in words], at=at, after=after, environment=environment)
        return self.rest()

    def rest(self) -> "Run":
        """What the running command says until it has ended."""
        said: dict[str, Any] = {}
        while "ended" not in said:
            said |= self.hear()
        return Run(said)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Run:
    """How a command ended."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.killed = said["ended"] == KILLED
        self.done = bool(said.get("done"))
        self.error = said.get("error")
        self.phase = said.get("phase", "")
        self.steps, self.marks, self.seconds = (said.get(key) for key in ("steps", "marks", "seconds"))
        assert self.killed or said["ended"] == 0, said


def moment(rng: np.random.Generator, marks: dict[str, int], begin: int, end: int) -> int:
    """A step between two: as likely within one function of ours as within another, however long they take."""
    bounds = [*sorted({begin, *(mark for mark in marks.values() if begin < mark < end)}), end]
    number = int(rng.integers(len(bounds) - 1))
    return int(bounds[number] + (bounds[number + 1] - bounds[number]) * rng.random()) + 1


class Server:
    """`copysight serve` on an index, run by the launcher, and a client for it."""

    def __init__(self, launcher: Launcher, index: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.launcher = launcher
        launcher.tell(run=["serve", "--index", str(index), "--port", str(port)])
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
        """The next thing that it does may kill it."""
        self.launcher.tell(arm=how)
        self.launcher.hear()

    def report(self) -> dict[str, Any]:
        """Steps and marks since `arm`."""
        self.launcher.tell(report=True)
        return self.launcher.hear()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer; None when the server died before it gave one."""
        try:
            return self.http.request(method, path, **more)
        except httpx.TransportError:
            return None

    def kill(self) -> Run:
        """Kill it if it still lives."""
        self.http.close()
        self.launcher.tell(arm={"after": 0.0})
        return self.launcher.rest()
