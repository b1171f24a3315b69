"""A real server process on a real index of drawn pictures."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from index_builder.build import Plan, build
from index_builder.progress import Progress
from tests.forks import Forked, ForkServer

PICTURES = 12
Start = Callable[..., "Server"]


SERVING = ForkServer("cli.main", "service.cli", "uvicorn.protocols.http.httptools_impl", "uvicorn.loops.uvloop")


class Server:
    """A running `copysight serve`, and a client for it: a fork, which starts fast.

    With ``before``, words in front of its command, as of `unshare`, it is a new Python process.
    """

    def __init__(self, index: Path, before: Sequence[str] = (), **settings: object) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.index = index
        self.url = f"http://127.0.0.1:{self.port}"
        variables = {f"COPYSIGHT_{name.upper()}": str(value) for name, value in settings.items()}
        self.log = index.with_name(f"{index.name}-{self.port}.log")
        words = ["serve", "--index", str(index), "--port", str(self.port)]
        self.process: subprocess.Popen[bytes] | Forked
        with self.log.open("w") as log:
            if before:
                command = [*before, sys.executable, "-m", "cli", *words]
                self.process = subprocess.Popen(command, env=os.environ | variables, stderr=log)
            else:
                self.process = SERVING.start(words, os.environ | variables, log, log)
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self._wait()

    def _wait(self) -> None:
        for _ in range(2400):
            assert self.process.poll() is None, self.log.read_text()
            try:
                self.http.get("/healthz")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the server did not start within two minutes")

    def lines(self, *answers: httpx.Response) -> list[dict[str, Any]]:
        """The log lines of these requests. Waits for the last line of each, which is written just after its answer."""
        until, ids = time.monotonic() + 10, [answer.headers["x-request-id"] for answer in answers]
        while True:
            text = self.log.read_text()
            lines = [json.loads(line) for line in text.splitlines(keepends=True) if line[:1] + line[-1:] == "{\n"]
            found = [line for line in lines if line.get("request") in ids]
            if {line["request"] for line in found if line["message"] == "request"} == set(ids):
                return found
            assert time.monotonic() < until, text

    def stop(self) -> None:
        """Stop the server if it still runs."""
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=40)


@contextmanager
def serving(index: Path, **settings: object) -> Iterator[Server]:
    server = Server(index, **settings)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory, drawn, jpeg) -> Path:
    """A folder of drawn JPEGs: 0.jpg, 1.jpg, …"""
    folder = tmp_path_factory.mktemp("served")
    for seed in range(PICTURES):
        (folder / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    return folder


@pytest.fixture(scope="session")
def origin(tmp_path_factory, pictures, tiny_bundle) -> Path:
    """An index of the pictures, to be copied."""
    directory = tmp_path_factory.mktemp("origin") / "index"
    build(Plan(pictures, directory, bundle=str(tiny_bundle.path), threads=1), Progress())
    return directory


@pytest.fixture
def index(tmp_path, origin) -> Path:
    """An index of the pictures, of this test's own."""
    return shutil.copytree(origin, tmp_path / "index")


@pytest.fixture(scope="session")
def shared(tmp_path_factory, origin) -> Iterator[Server]:
    """One server for all tests that do not change the collection."""
    with serving(shutil.copytree(origin, tmp_path_factory.mktemp("shared") / "index")) as server:
        yield server


@pytest.fixture
def http(shared) -> httpx.Client:
    return shared.http
