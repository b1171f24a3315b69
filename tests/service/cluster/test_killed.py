"""SIGKILL of a server and of PostgreSQL under load: nothing acknowledged is lost, and nobody has to help."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from copysight.index import Index
from tests.postgresql import PostgresServer, binaries
from tests.service.cluster.conftest import until
from tests.service.cluster.load import Load, check, go_on, kill, running, stop, summary

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


def test_postgresql_is_killed_and_started_again_under_load(index, mortal, start, picture, kills):
    servers = [start(index), start(index)]
    loads = [Load(server, picture, name) for server, name in zip(servers, ("a", "b"), strict=True)]
    rng = np.random.default_rng(1)
    with running(*loads):
        for _ in range(kills):
            go_on(*loads)
            time.sleep(float(rng.random()))
            mortal.kill()
            until(lambda: all(server.http.get("/readyz").status_code == 503 for server in servers))
            answer = servers[0].http.post("/search", files={"file": picture(0)})
            assert (answer.status_code, answer.json()["code"]) == (503, "catalog_unavailable")
            assert servers[1].http.get("/healthz").status_code == 200
            mortal.start()
            until(lambda: all(server.http.get("/readyz").status_code == 200 for server in servers))
        go_on(*loads)
    assert all(load.codes for load in loads)  # the outages hit
    log.info("%s kills of PostgreSQL: %s", kills, summary(*loads))
    stop(*servers)
    check(index, loads)


def test_one_of_two_servers_is_killed_under_load(index, start, picture, kills):
    steady = Load(start(index), picture, "steady")
    victims = []
    rng = np.random.default_rng(2)
    with running(steady):
        for number in range(kills):
            victims.append(Load(start(index), picture, f"victim {number}"))
            kill(victims[-1], float(rng.random()), steady)  # the lock of the dead writer is free
    for load in victims:
        for key in list(load.added.keys() - load.deleted - load.unknown)[-1:]:
            assert steady.server.http.get(f"/images/{load.added[key]}").json()["key"] == key
    assert steady.codes == []
    log.info("%s kills of a server: %s", kills, summary(steady, *victims))
    stop(steady.server)
    check(index, [steady, *victims])
