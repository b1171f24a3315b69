"""SIGKILL of Milvus under load: searches get 503, writes go on, nothing is lost or wrong, and nobody has to help."""

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from copysight.catalog import NewItem
from copysight.index import Index
from tests.service.cluster.conftest import until
from tests.service.cluster.load import Load, check, go_on, rebuild, running, start_rebuild, stop, summary
from tests.service.conftest import Server

pytestmark = pytest.mark.cluster
log = logging.getLogger(__name__)
VECTORS = 300  # more than are scanned in the catalog
PICTURES = range(100_000, 100_008)
PAUSE = 0.5  # rebuilds calibrate with what is added
PATIENCE = 300.0


@dataclass
class Searches:
    """Searches for pictures that are in the generation. The first match must be the picture itself."""

    server: Server
    pictures: dict[str, bytes]
    found: int = 0
    codes: Counter = field(default_factory=Counter)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.ended.is_set():
            for key, picture in self.pictures.items():
                self._search(key, picture)

    def _search(self, key: str, picture: bytes) -> None:
        answer = self.server.http.post("/search?k=1&verify=never", files={"file": picture})
        if answer.is_success:
            assert [match["key"] for match in answer.json()["items"][0]["matches"]] == [key]
            self.found += 1
        else:
            assert (answer.status_code, answer.json()["code"]) == (503, "vectors_unavailable"), answer.text
            assert answer.headers["retry-after"]
            self.codes[answer.json()["code"]] += 1
        time.sleep(0.05)


@pytest.fixture
def mortal(milvus, on_s3, monkeypatch):
    """The Milvus of all tests: there can be one only. It is killed, and started again."""
    monkeypatch.setenv("COPYSIGHT_VECTORS", milvus.url)
    return milvus


@pytest.fixture(params=[2, pytest.param(20, marks=pytest.mark.long)])
def kills(request) -> int:
    return request.param


def test_milvus_is_killed_and_started_again_under_load(mortal, empty, tmp_path, start, picture, kills):
    before = Load(None, picture, "before", added=vectors(empty))
    servers = [start(empty), start(tmp_path / "other", blobs_cache=0)]
    known = {f"known {seed}": picture(seed) for seed in PICTURES}
    for key, content in known.items():
        before.added[key] = servers[0].http.post(f"/images?key={key}", files={"file": content}).json()["id"]
    assert rebuild(servers[0], PATIENCE) == "done"
    until(lambda: all(server.http.get("/index").json()["delta"] == 0 for server in servers), PATIENCE)
    loads = [Load(server, picture, name, (), PAUSE) for server, name in zip(servers, ("a", "b"), strict=True)]
    searches = [Searches(server, known) for server in servers]
    rng = np.random.default_rng(3)
    with running(*loads, *searches):
        for number in range(kills):
            go_on(*loads)
            start_rebuild(servers[number % 2])
            time.sleep(float(rng.random() * 4))
            mortal.kill()
            refused = [search.codes.total() for search in searches]
            until(lambda refused=refused: all(s.codes.total() > n for s, n in zip(searches, refused, strict=True)))
            assert all(server.http.get("/readyz").status_code == 503 for server in servers)
            assert all(server.http.get("/healthz").status_code == 200 for server in servers)
            go_on(*loads)
            mortal.start()
            found = [search.found for search in searches]
            until(lambda found=found: all(s.found > n for s, n in zip(searches, found, strict=True)), PATIENCE)
        until(lambda: all(server.http.get("/readyz").status_code == 200 for server in servers))
    assert not any(load.codes for load in loads)  # writes need no Milvus
    until(lambda: rebuild(servers[1], PATIENCE) == "done", PATIENCE)  # those before may go on, and may have failed
    until(lambda: all(server.http.get("/index").json()["delta"] == 0 for server in servers), PATIENCE)
    log.info(
        "%s kills of Milvus: %s; searches: %s found, %s answered with 503",
        kills, summary(*loads), sum(one.found for one in searches), sum(one.codes.total() for one in searches),
    )  # fmt: skip
    stop(*servers)
    check(empty, [before, *loads])


def vectors(directory: Path) -> dict[str, int]:
    """Add items of which only vectors are known. Returns their ids by key."""
    with Index.open(directory) as index:
        drawn = np.random.default_rng(0).normal(size=(VECTORS, index.bundle.dimension)).astype(np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        new = [NewItem(f"{number}", f"{number:064x}", 1, 1, vector) for number, vector in enumerate(drawn)]
        return {one.item.key: one.item.id for one in index.catalog.add(new, model=index.bundle.id)}
