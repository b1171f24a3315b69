"""Add and delete pictures on a server of a cluster until told to stop, and note what was acknowledged."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import numpy as np

from copysight.index import Index, verify
from tests.service.cluster.conftest import until
from tests.service.conftest import Server

log = logging.getLogger(__name__)


@dataclass
class Load:
    """Adds and deletes pictures, with a pause of some seconds. A 503 must have one of ``outages`` as its code."""

    server: Server
    draw: Callable[[int], bytes]
    name: str
    outages: tuple[str, ...] = ("catalog_unavailable",)
    pause: float = 0.0
    added: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    codes: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        rng = np.random.default_rng(0)
        for number in count():
            if self.ended.is_set():
                return
            try:
                self._step(f"{self.name} {number}", number, rng.random() < 0.3)
            except httpx.TransportError:
                return
            time.sleep(self.pause)

    def _step(self, key: str, number: int, remove: bool) -> None:
        self.unknown.add(key)
        answer = self.server.http.post(f"/images?key={key}", files={"file": self.draw(number)})
        if answer.status_code in {200, 201}:
            self.unknown.discard(key)
            self.added[key] = answer.json()["id"]
        else:
            self._note(answer)
        if remove and key in self.added:
            self.unknown.add(key)
            answer = self.server.http.delete(f"/images/{self.added[key]}")
            if answer.is_success:
                self.unknown.discard(key)
                self.deleted.add(key)
            else:
                self._note(answer)

    def _note(self, answer: httpx.Response) -> None:
        self.codes.append(answer.json()["code"])
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] in self.outages, answer.text
        assert answer.headers["retry-after"]
        time.sleep(0.05)


@contextmanager
def running(*loads: Load) -> Iterator[None]:
    """Run each load in a thread. They are told to stop at the end, and have stopped then."""
    threads = [threading.Thread(target=load.run) for load in loads]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for load in loads:
            load.ended.set()
        for thread in threads:
            thread.join()


def go_on(*loads: Load) -> None:
    """Wait until each load has added another picture."""
    before = [len(load.added) for load in loads]
    until(lambda: all(len(load.added) > n for load, n in zip(loads, before, strict=True)))


def refused(*loads: Load) -> None:
    """Wait until each load has got another 503."""
    before = [len(load.codes) for load in loads]
    until(lambda: all(len(load.codes) > n for load, n in zip(loads, before, strict=True)))


def kill(load: Load, seconds: float, other: Load, rebuild: bool = False) -> None:
    """SIGKILL of a server, seconds after its load began and perhaps in a rebuild of it. The other load goes on."""
    with running(load):
        go_on(load)
        if rebuild:
            load.server.http.post("/index/rebuild")
        time.sleep(seconds)
        load.server.process.kill()
        load.server.process.wait()
    load.server.http.close()
    go_on(other)


def start_rebuild(server: Server) -> int | None:
    """Ask for a rebuild. Returns its job, or None if another one has not ended."""
    answer = server.http.post("/index/rebuild")
    return answer.json()["id"] if answer.is_success else None


def ended(server: Server, job: int, seconds: float) -> str:
    """Wait for the end of a job. Returns its state. What it says is logged."""

    def found() -> str | None:
        answer = server.http.get(f"/jobs/{job}").json()
        log.info("job %s: %s, %s", job, answer["state"], answer["message"])
        return answer["state"] if answer["state"] in {"done", "failed"} else None

    return until(found, seconds)


def rebuild(server: Server, seconds: float = 120) -> str | None:
    """Rebuild, and wait for its end. Returns its state, or None if another one has not ended."""
    job = start_rebuild(server)
    return ended(server, job, seconds) if job else None


def stop(*servers: Server) -> None:
    """Stop servers. None has met an error that it did not expect."""
    for server in servers:
        server.stop()
        assert "Traceback" not in server.log.read_text()


def summary(*loads: Load) -> str:
    """What loads did, in numbers."""
    added, deleted = sum(len(load.added) for load in loads), sum(len(load.deleted) for load in loads)
    return f"{added} added, {deleted} deleted, {sum(len(load.codes) for load in loads)} answered with 503"


def check(directory: Path, loads: list[Load]) -> None:
    """Everything acknowledged is there, what was deleted is not, and the index is sound."""
    with Index.open(directory) as index:
        keys = {item.key: item.id for item in index.catalog.page(limit=100_000)}
        for load in loads:
            for key, number in load.added.items():
                if key not in load.deleted | load.unknown:
                    assert keys[key] == number
            assert not load.deleted & keys.keys()
        known = {key for load in loads for key in load.added.keys() | load.unknown}
        assert keys.keys() <= known
        assert verify(index) == []
        assert index.catalog.audit.check().fault is None
        found = index.snapshot()
        assert found.count == len(keys)
