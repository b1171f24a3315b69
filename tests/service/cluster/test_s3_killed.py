"""SIGKILL of S3 under load: 503 with a code, nothing acknowledged is lost, and nobody has to help."""

import logging
import secrets
import threading
import time

import numpy as np
import pytest

from copysight.index import Index
from tests.seaweedfs import SeaweedServer, binary
from tests.service.cluster.conftest import until
from tests.service.cluster.load import Load, check
from tests.service.conftest import Server

log = logging.getLogger(__name__)


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


def test_s3_is_killed_and_started_again_under_load(
    mortal_s3, postgresql, tmp_path, tiny_bundle, drawn, jpeg, monkeypatch, kills
):
    monkeypatch.setenv("COPYSIGHT_CATALOG", f"{postgresql.url}?schema=killed_{secrets.token_hex(4)}")
    with Index.create(tmp_path / "index", tiny_bundle.path) as made:
        made.published.offer(made.bundle.id)

    def draw(seed: int) -> bytes:
        return jpeg(drawn(seed, (48, 40)))

    servers = [Server(tmp_path / "index"), Server(tmp_path / "other", blobs_cache=0)]
    loads = [Load(one, draw, name, ("blobs_unavailable",)) for one, name in zip(servers, ("a", "b"), strict=True)]
    threads = [threading.Thread(target=load.run) for load in loads]
    for thread in threads:
        thread.start()
    rng = np.random.default_rng(1)
    for _ in range(kills):
        before = [len(load.added) for load in loads]
        until(lambda before=before: all(len(load.added) > n for load, n in zip(loads, before, strict=True)))
        time.sleep(float(rng.random()))
        told = [len(load.codes) for load in loads]
        mortal_s3.kill()
        until(lambda told=told: all(len(load.codes) > n for load, n in zip(loads, told, strict=True)))
        gone = loads[1].deleted | loads[1].unknown
        number = next(number for key, number in list(loads[1].added.items()) if key not in gone)
        answer = servers[1].http.get(f"/images/{number}/thumbnail")
        assert (answer.status_code, answer.json()["code"]) == (503, "blobs_unavailable")
        assert "127.0.0.1" not in answer.json()["detail"]
        assert servers[1].http.get("/readyz").status_code == 200  # searches are answered
        assert servers[1].http.post("/search", json={"ids": [number]}).status_code in {200, 503}
        mortal_s3.start()
    before = [len(load.added) for load in loads]
    until(lambda: all(len(load.added) > n for load, n in zip(loads, before, strict=True)))
    for load in loads:
        load.ended.set()
    for thread in threads:
        thread.join()
    log.info("added %s, refused %s", [len(load.added) for load in loads], [len(load.codes) for load in loads])
    for server in servers:
        assert "Traceback" not in server.log.read_text()
        server.stop()
    check(tmp_path / "index", loads)


def test_servers_with_directories_of_their_own_are_killed_under_load(
    on_s3, postgresql, tmp_path, tiny_bundle, drawn, jpeg, monkeypatch, kills
):
    """Also in the middle of a rebuild; another one goes on, and a new one joins."""
    monkeypatch.setenv("COPYSIGHT_CATALOG", f"{postgresql.url}?schema=killed_{secrets.token_hex(4)}")
    with Index.create(tmp_path / "index", tiny_bundle.path) as made:
        made.published.offer(made.bundle.id)

    def draw(seed: int) -> bytes:
        return jpeg(drawn(seed, (48, 40)))

    steady = Server(tmp_path / "index")
    loads = [Load(steady, draw, "steady")]
    thread = threading.Thread(target=loads[0].run)
    thread.start()
    rng = np.random.default_rng(2)
    for number in range(kills):
        victim = Server(tmp_path / f"victim {number % 3}")
        load = Load(victim, draw, f"victim {number}")
        loads.append(load)
        other = threading.Thread(target=load.run)
        other.start()
        until(lambda load=load: load.added)
        victim.http.post("/index/rebuild")
        time.sleep(float(rng.random() * 3))
        victim.process.kill()
        victim.process.wait()
        other.join()
        victim.http.close()
        before = len(loads[0].added)
        until(lambda before=before: len(loads[0].added) > before)
    loads[0].ended.set()
    thread.join()
    job = until(lambda: rebuilt(steady), 120)
    until(lambda: steady.http.get(f"/jobs/{job}").json()["state"] == "done", 120)
    until(lambda: steady.http.get("/index").json()["delta"] == 0)
    assert loads[0].codes == []
    steady.stop()
    check(tmp_path / "index", loads)
    with Index.open(tmp_path / "last") as joined, Index.open(tmp_path / "index") as index:
        assert joined.layout.live() == index.layout.live()
        assert joined.snapshot().count == index.snapshot().count


def rebuilt(server: Server) -> int | None:
    """A rebuild that was not refused: that of a killed server may go on for a moment."""
    answer = server.http.post("/index/rebuild")
    return answer.json()["id"] if answer.is_success else None
