"""Processes of ``copysight`` that are forks of one process with torch loaded: 0.1 s a start instead of five.

They run the same program as ``python -m cli``, with their own environment and output, and can be killed at any moment.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import forkserver

CONTEXT = multiprocessing.get_context("forkserver")
LOADED = ["cli.main", "training.commands.train", "training.run.job", "training.export.export"]


class Forked:
    """A running command, with the methods of ``subprocess.Popen`` that the tests use."""

    def __init__(self, words: list[str], environment: Mapping[str, str]) -> None:
        _begin_server()
        self._files = [tempfile.NamedTemporaryFile("r") for _ in range(2)]  # noqa: SIM115 - live as long as this object
        self._texts: list[str] = []
        names = [file.name for file in self._files]
        self._process = CONTEXT.Process(target=run, args=(words, dict(environment), *names))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def communicate(self, timeout: float) -> tuple[str, str]:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("copysight", timeout)
        for file in self._files:
            with file:
                self._texts.append(file.read())
        return self._texts[0], self._texts[1]

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _begin_server() -> None:
    """The process that is forked loads its modules once, for one thread: a library's threads do not survive a fork."""
    CONTEXT.set_forkserver_preload(LOADED)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def run(words: list[str], environment: dict[str, str], output: str, errors: str) -> None:
    """The fork: it becomes the command."""
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, output), (2, errors)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), number)
    sys.argv = ["copysight", *words]
    runpy.run_module("cli", run_name="__main__", alter_sys=True)
