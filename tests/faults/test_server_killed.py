"""A server that is killed at any step of a write loses no acknowledged write."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.faults.ledger import Ledger
from tests.faults.process import Launcher, Server, moment

log = logging.getLogger(__name__)
TRIES = 3  # per kill, because a kill after a time may come too late

Act = Callable[[], httpx.Response | None]
Prepare = Callable[[Server], Act]


@dataclass
class Campaign:
    """Kill a server inside an operation, compare the index with the ledger, and start the server again."""

    launcher: Launcher
    index: Path
    ledger: Ledger
    kills: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    phases: list[str] = field(default_factory=list)

    def __call__(self, function: str, prepare: Prepare) -> None:
        """Kill a server inside ``function`` until ``kills`` kills have hit."""
        counted = self._measured(prepare)
        for number in count():
            if len(self.phases) == self.kills:
                return
            assert number < TRIES * self.kills, f"only {len(self.phases)} of {number} kills hit"
            at = moment(self.rng, counted["marks"], counted["marks"][function], counted["steps"])
            how = {"after": counted["seconds"] * self.rng.random()} if number % 4 == 3 else {"at": at}
            self._once(function, prepare, how)

    def _measured(self, prepare: Prepare) -> dict[str, Any]:
        server = self._served()
        act = prepare(server)
        server.arm()
        answer = act()
        assert answer is not None
        assert answer.is_success
        self.ledger.acknowledged()
        counted = server.report()
        server.kill()
        return counted

    def _once(self, function: str, prepare: Prepare, how: dict[str, float]) -> None:
        server = self._served()
        act = prepare(server)
        server.arm(**how)
        answer = act()
        if answer is not None:
            assert answer.is_success, answer.text
            self.ledger.acknowledged()
        run = server.kill()
        assert run.killed
        if answer is None:
            self.phases.append(run.phase)
            log.info("%s, kill %d: %s", function, len(self.phases), run.phase)
        self.ledger.compare(self.index)

    def _served(self) -> Server:
        """A running server whose answers have been checked."""
        server = Server(self.launcher, self.index)
        listed = server.http.get("/images?limit=1000").json()["items"]
        body = {"vectors": self.ledger.queries().tolist()}
        found = server.http.post("/search?k=5", json=body).json()["items"]
        answers = [[(match["id"], match["similarity"]) for match in item["matches"]] for item in found]
        self.ledger.check(answers, {item["key"]: item["id"] for item in listed})
        return server


@pytest.fixture
def campaign(launcher: Launcher, index: Path, ledger: Ledger, kills: int) -> Campaign:
    return Campaign(launcher, index, ledger, kills)


@pytest.fixture
def seeds() -> Iterator[int]:
    return count(1000)


def test_a_killed_add_is_done_or_not_done(campaign: Campaign, ledger: Ledger, seeds: Iterator[int]) -> None:
    def prepare(server: Server) -> Act:
        seed = next(seeds)
        picture = ledger.picture(seed)
        ledger.pending = [{f"new {seed}": picture}]
        return partial(server.request, "POST", f"/images?key=new {seed}", files={"file": picture.data})

    campaign("blobs.Blobs.hold", prepare)


def test_a_killed_replacement_is_done_or_not_done(campaign: Campaign, ledger: Ledger, seeds: Iterator[int]) -> None:
    def prepare(server: Server) -> Act:
        picture = ledger.picture(next(seeds))
        ledger.pending = [{"5.jpg": picture}]
        return partial(server.request, "POST", "/images?key=5.jpg&replace=true", files={"file": picture.data})

    campaign("blobs.Blobs.hold", prepare)


def test_a_killed_delete_is_done_or_not_done(campaign: Campaign, ledger: Ledger, seeds: Iterator[int]) -> None:
    def prepare(server: Server) -> Act:
        seed = next(seeds)
        picture = ledger.held[f"new {seed}"] = ledger.picture(seed)
        added = server.http.post(f"/images?key=new {seed}", files={"file": picture.data})
        ledger.pending = [{f"new {seed}": None}]
        return partial(server.request, "DELETE", f"/images/{added.json()['id']}")

    campaign("index.Index.delete", prepare)


def test_a_killed_rollback_leaves_the_old_or_the_new_generation(campaign: Campaign) -> None:
    def prepare(server: Server) -> Act:
        live = (campaign.index / "CURRENT").read_text().strip()
        names = sorted(path.name for path in (campaign.index / "generations").iterdir())
        other = next(name for name in names if name != live)

        def act() -> httpx.Response | None:
            answer = server.request("POST", "/index/rollback", json={"to": other})
            now = (campaign.index / "CURRENT").read_text().strip()
            assert now == other if answer is not None else now in {live, other}
            return answer

        return act

    campaign("rollback.rollback", prepare)
