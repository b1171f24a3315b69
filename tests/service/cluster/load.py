"""Add and delete pictures on a server of a cluster until told to stop, and note what was acknowledged."""

import threading
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import numpy as np

from copysight.index import Index, verify
from tests.service.conftest import Server


@dataclass
class Load:
    """Adds and deletes pictures. A 503 must have one of ``outages`` as its code."""

    server: Server
    draw: object
    name: str
    outages: tuple[str, ...] = ("catalog_unavailable",)
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
