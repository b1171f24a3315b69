"""SIGKILL of S3 and of servers over it under load: 503 with a code, nothing is lost, and nobody has to help."""

import logging
import time

import numpy as np
import pytest

from copysight.index import Index
from tests.seaweedfs import SeaweedServer, binary
from tests.service.cluster.conftest import until
from tests.service.cluster.load import Load, check, go_on, kill, rebuild, refused, running, stop, summary

log = logging.getLogger(__name__)
PATIENCE = 600.0


@pytest.fixture
def mortal_s3(seaweedfs, monkeypatch):
    """A server that the test may kill."""
    server = SeaweedServer(binary())
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


@pytest.fixture(params=[1, pytest.param(50, marks=pytest.mark.long)])
def kills(request) -> int:
    return request.param


def test_s3_is_killed_and_started_again_under_load(mortal_s3, empty, tmp_path, start, picture, kills):
    servers = [start(empty), start(tmp_path / "other", blobs_cache=0)]
    loads = [Load(one, picture, name, ("blobs_unavailable",)) for one, name in zip(servers, ("a", "b"), strict=True)]
    rng = np.random.default_rng(1)
    with running(*loads):
        for _ in range(kills):
            go_on(*loads)
            time.sleep(float(rng.random()))
            mortal_s3.kill()
            refused(*loads)
            gone = loads[1].deleted | loads[1].unknown
            number = next(number for key, number in list(loads[1].added.items()) if key not in gone)
            answer = servers[1].http.get(f"/images/{number}/thumbnail")
            assert (answer.status_code, answer.json()["code"]) == (503, "blobs_unavailable")
            assert "127.0.0.1" not in answer.json()["detail"]
            assert servers[1].http.get("/readyz").status_code == 200  # searches are answered
            assert servers[1].http.post("/search", json={"ids": [number]}).status_code in {200, 503}
            mortal_s3.start()
        go_on(*loads)
    log.info("%s kills of S3: %s", kills, summary(*loads))
    stop(*servers)
    check(empty, loads)


def test_servers_with_directories_of_their_own_are_killed_under_load(on_s3, empty, tmp_path, start, picture, kills):
    """Also in the middle of a rebuild; another one goes on, and a new one joins."""
    steady = Load(start(empty), picture, "steady")
    victims = []
    rng = np.random.default_rng(2)
    with running(steady):
        for number in range(kills):
            victims.append(Load(start(tmp_path / f"victim {number % 3}"), picture, f"victim {number}"))
            kill(victims[-1], float(rng.random() * 3), steady, rebuild=True)
    until(lambda: rebuild(steady.server, PATIENCE) == "done", PATIENCE)  # those of killed servers may go on
    until(lambda: steady.server.http.get("/index").json()["delta"] == 0, PATIENCE)
    assert steady.codes == []
    log.info("%s kills of a server with its own directory: %s", kills, summary(steady, *victims))
    stop(steady.server)
    check(empty, [steady, *victims])
    with Index.open(tmp_path / "last") as joined, Index.open(empty) as first:
        assert joined.layout.live() == first.layout.live()
        assert joined.snapshot().count == first.snapshot().count
