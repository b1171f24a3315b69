"""SIGKILL of a server and of PostgreSQL under load: nothing acknowledged is lost, and nobody has to help."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from copysight.index import Index
from tests.postgresql import PostgresServer, binaries
from tests.service.cluster.conftest import until
from tests.service.cluster.load import Load, check
from tests.service.conftest import Server

log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def mortal(postgresql) -> Iterator[PostgresServer]:
    """A server that tests may kill."""
    server = PostgresServer(binaries())
    yield server
    server.stop()


@pytest.fixture
def index(mortal, tmp_path, tiny_bundle, monkeypatch) -> Path:
    monkeypatch.setenv("COPYSIGHT_CATALOG", mortal.url)
    Index.create(tmp_path / "index", tiny_bundle.path).close()
    return tmp_path / "index"


@pytest.fixture(params=[2, pytest.param(50, marks=pytest.mark.long)])
def kills(request) -> int:
    return request.param


def test_postgresql_is_killed_and_started_again_under_load(index, mortal, drawn, jpeg, kills):
    def draw(seed: int) -> bytes:
        return jpeg(drawn(seed, (48, 40)))

    servers = [Server(index), Server(index)]
    loads = [Load(server, draw, name) for server, name in zip(servers, ("a", "b"), strict=True)]
    threads = [threading.Thread(target=load.run) for load in loads]
    for thread in threads:
        thread.start()
    rng = np.random.default_rng(1)
    for _ in range(kills):
        before = [len(load.added) for load in loads]
        until(lambda before=before: all(len(load.added) > n for load, n in zip(loads, before, strict=True)))
        time.sleep(float(rng.random()))
        mortal.kill()
        until(lambda: all(server.http.get("/readyz").status_code == 503 for server in servers))
        answer = servers[0].http.post("/search", files={"file": draw(0)})
        assert (answer.status_code, answer.json()["code"]) == (503, "catalog_unavailable")
        assert servers[1].http.get("/healthz").status_code == 200
        mortal.start()
        until(lambda: all(server.http.get("/readyz").status_code == 200 for server in servers))
    before = [len(load.added) for load in loads]
    until(lambda: all(len(load.added) > n for load, n in zip(loads, before, strict=True)))
    for load in loads:
        load.ended.set()
    for thread in threads:
        thread.join()
    assert all(load.codes for load in loads)  # the outages hit
    log.info(
        "added %s, answered with 503: %s", [len(load.added) for load in loads], [len(load.codes) for load in loads]
    )
    for server in servers:
        assert "Traceback" not in server.log.read_text()
        server.stop()
    check(index, loads)


def test_one_of_two_servers_is_killed_under_load(index, drawn, jpeg, kills):
    def draw(seed: int) -> bytes:
        return jpeg(drawn(seed, (48, 40)))

    steady = Server(index)
    loads = [Load(steady, draw, "steady")]
    thread = threading.Thread(target=loads[0].run)
    thread.start()
    rng = np.random.default_rng(2)
    for number in range(kills):
        victim = Server(index)
        load = Load(victim, draw, f"victim {number}")
        loads.append(load)
        other = threading.Thread(target=load.run)
        other.start()
        until(lambda load=load: load.added)
        time.sleep(float(rng.random()))
        victim.process.kill()
        victim.process.wait()
        other.join()
        victim.http.close()
        before = len(loads[0].added)
        until(lambda before=before: len(loads[0].added) > before)  # the dead writer's lock is free
    loads[0].ended.set()
    thread.join()
    for load in loads[1:]:
        for key in list(load.added.keys() - load.deleted - load.unknown)[-1:]:
            assert steady.http.get(f"/images/{load.added[key]}").json()["key"] == key
    assert loads[0].codes == []
    steady.stop()
    check(index, loads)
