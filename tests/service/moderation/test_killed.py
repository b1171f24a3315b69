"""A server that is killed at random moments loses no event of moderation and invents none; the audit chain verifies."""

import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import pytest

from copysight.catalog.audit.audit import AuditFilter
from copysight.index import Index
from tests.service.conftest import Server
from tests.service.moderation.receiver import receiving
from tests.service.moderation.test_scenario import LOOPBACK, ok, until

log = logging.getLogger(__name__)
LONGEST = 1.2  # seconds that a server lives after its first request
DRAINED = 120.0  # seconds in which all is delivered at last


@dataclass
class Work:
    """Random work on a server, and what it has acknowledged: the numbers of matches and decisions, and toggles."""

    draw: object
    rng: np.random.Generator
    seeds: count = field(default_factory=lambda: count(1000))
    matches: set[int] = field(default_factory=set)
    decisions: set[int] = field(default_factory=set)
    toggles: int = 0
    items: list[int] = field(default_factory=list)
    done: Counter = field(default_factory=Counter)

    def step(self, http: httpx.Client) -> None:
        """One piece of work. Raises ``httpx.TransportError`` if the server is killed in it."""
        name = str(self.rng.choice(["match", "match", "decide", "toggle", "expire"]))
        getattr(self, name)(http)
        self.done[name] += 1

    def match(self, http: httpx.Client) -> None:
        data = self.draw(next(self.seeds))
        added = ok(http.post("/images?collection=watch", files={"file": data}), 201)
        self.items.append(added["id"])
        upload = ok(http.post("/images?collection=uploads&match=true", files={"file": data}), 201)
        self.matches.add(upload["decision"]["match"])

    def decide(self, http: httpx.Client) -> None:
        claimed = http.post("/reviews/claim", json={"seconds": 0.5})
        if claimed.status_code == 200:
            verdict = {"verdict": str(self.rng.choice(["confirm", "deny"]))}
            answer = http.post(f"/reviews/{claimed.json()['id']}/verdict", json=verdict)
            self.decisions.add(ok(answer)["decision"])

    def toggle(self, http: httpx.Client) -> None:
        if self.items:
            number = int(self.rng.choice(self.items))
            now = ok(http.get(f"/images/{number}"))["quarantined"] is not None
            ok(http.patch(f"/images/{number}", json={"quarantined": not now}))
            self.toggles += 1

    def expire(self, http: httpx.Client) -> None:
        if self.items:
            ok(http.patch(f"/images/{self.rng.choice(self.items)}", json={"expires": 1e9 + self.rng.integers(1e6)}))


def kill_within(server: Server, work: Work, seconds: float) -> None:
    """Work until the server is killed, after some seconds."""
    timer = threading.Timer(seconds, server.process.kill)
    timer.start()
    try:
        while True:
            work.step(server.http)
    except httpx.TransportError:
        pass
    finally:
        timer.join()
        server.process.wait(timeout=20)
        server.http.close()


def check(directory: Path, work: Work) -> set[str]:
    """Assert that causes, events and audit entries tally, and all that was acknowledged is there. The events' names."""
    with Index.open(directory) as index:
        audited = index.catalog.audit.check()
        assert audited.fault is None
        entries = index.catalog.audit.page(AuditFilter(), limit=1_000_000)
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as catalog:
        rows = catalog.execute("SELECT name, type, body FROM events ORDER BY id").fetchall()
        matches = [row[0] for row in catalog.execute("SELECT id FROM list_matches")]
        decisions = [row[0] for row in catalog.execute("SELECT id FROM match_decisions")]
        reviews = catalog.execute("SELECT id, state FROM reviews").fetchall()
        owed = catalog.execute("SELECT count(*) FROM deliveries").fetchone()[0]
    events = {kind: [json.loads(body)["data"] for _, one, body in rows if one == kind] for _, kind, _ in rows}

    def told(kind: str, name: str) -> list[int]:
        return sorted(one[name] for one in events.get(kind, ()))

    assert told("match.created", "match") == sorted(matches)
    assert told("decision.created", "id") == sorted(decisions)
    assert told("review.opened", "id") == sorted(number for number, _ in reviews)
    assert told("review.closed", "id") == sorted(number for number, state in reviews if state == "closed")
    assert work.matches <= set(matches)
    assert work.decisions <= set(decisions)
    noted = Counter(one["action"] for one in entries)
    assert noted["decision.confirm"] + noted["decision.deny"] == len(decisions)
    assert noted["review.close"] == len(told("review.closed", "id"))
    toggled = sum("quarantined" in one["detail"] for one in entries if one["action"] == "item.change")
    assert len(events.get("item.quarantined", ())) + len(events.get("item.released", ())) == toggled
    assert toggled >= work.toggles
    names = {name for name, _, _ in rows}
    assert len(names) == len(rows) == owed
    return names


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.long)])
def test_a_killed_server_loses_no_event_and_invents_none(index, drawn, jpeg, kills):
    work = Work(lambda seed: jpeg(drawn(seed)), np.random.default_rng(kills))
    with receiving(seed=kills) as receiver:
        server = Server(index, **LOOPBACK)
        ok(server.http.put("/lists/watch", json={"policy": "review", "flood": None, "denials": None}), 201)
        receiver.secret = ok(server.http.post("/webhooks", json={"url": receiver.url}), 201)["secret"]
        for number in range(kills):
            kill_within(server, work, LONGEST * float(work.rng.random()))
            names = check(index, work)
            assert {one.id for one in receiver.noted} <= names
            log.info("kill %d: %d events, %d noted, %s", number + 1, len(names), len(receiver.noted), dict(work.done))
            server = Server(index, **LOOPBACK)
        try:
            until(lambda: expired_are_told(index), 20)
            wait_for_deliveries(index)
        finally:
            server.stop()
        names = check(index, work)
        assert {one.id for one in receiver.unique()} == names
        assert receiver.refused == []
        assert_in_order(index, receiver)
        assert work.done["match"] >= kills / 4
        log.info("%d events, %d requests, %s", len(names), sum(receiver.attempts.values()), dict(work.done))


def expired_are_told(directory: Path) -> bool:
    """Whether each expiry has been announced."""
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as catalog:
        query = "SELECT count(*) FROM entries WHERE expires IS NOT NULL AND announced IS NOT expires"
        return bool(catalog.execute(query).fetchone()[0] == 0)


def wait_for_deliveries(directory: Path) -> None:
    """Wait until nothing is pending. Fails if a delivery is overdue, or all take too long; it says what is left."""
    end, query = time.monotonic() + DRAINED, "SELECT event, item, attempts, due, status, error FROM deliveries"
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as catalog:
        while left := catalog.execute(f"{query} WHERE state = 'pending' ORDER BY due LIMIT 20").fetchall():
            assert time.monotonic() < end, f"at {time.time()} these are pending: {left}"
            time.sleep(0.2)


def assert_in_order(directory: Path, receiver) -> None:
    """No event of an item came after a later one was accepted, repetitions included."""
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as catalog:
        order = {name: (number, item) for number, name, item in catalog.execute("SELECT id, name, item FROM events")}
    latest: dict[int, int] = {}
    for one in receiver.noted:
        number, item = order[one.id]
        assert number >= latest.get(item, 0)
        latest[item] = number
