"""A server whose vectors are in Milvus: it answers, says 503 while Milvus is away, and goes on by itself."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from copysight.catalog import NewItem
from copysight.index import Index, publish, verify
from tests.cluster.servers import MilvusLite
from tests.service.cluster.conftest import until
from tests.service.conftest import serving

COUNT = 300


@pytest.fixture
def mortal(monkeypatch) -> Iterator[MilvusLite]:
    server = MilvusLite()
    monkeypatch.setenv("COPYSIGHT_VECTORS", server.url)
    yield server
    server.stop()


@pytest.fixture
def index(mortal, tmp_path, tiny_bundle) -> Path:
    """Pictures of which only vectors are known: more of them than are scanned in the catalog alone."""
    with Index.create(tmp_path / "index", tiny_bundle.path) as made:
        vectors = np.random.default_rng(0).normal(size=(COUNT, tiny_bundle.dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        new = [NewItem(f"{number}", f"{number:064x}", 1, 1, vector) for number, vector in enumerate(vectors)]
        made.catalog.add(new, model=made.bundle.id)
        publish(made)
    return tmp_path / "index"


def test_milvus_is_killed_and_started_again(index, mortal, drawn, jpeg):
    picture = jpeg(drawn(1))
    with serving(index) as server:

        def search():
            return server.http.post("/search?k=1&verify=never", files={"file": picture})

        def found(key: str) -> bool:
            answer = search()
            return answer.is_success and answer.json()["items"][0]["matches"][0]["key"] == key

        assert search().status_code == 200
        assert server.http.get("/index").json()["generation"] == "000001"
        mortal.kill()
        answer = search()
        assert (answer.status_code, answer.json()["code"]) == (503, "vectors_unavailable")
        assert answer.headers["retry-after"]
        assert server.http.get("/readyz").status_code == 503
        assert server.http.get("/healthz").status_code == 200
        assert server.http.post("/images?key=new", files={"file": picture}).status_code == 201
        mortal.start()
        until(lambda: found("new"))
        assert server.http.get("/readyz").status_code == 200
        job = server.http.post("/index/rebuild").json()["id"]
        until(lambda: server.http.get(f"/jobs/{job}").json()["state"] == "done", 120)
        until(lambda: server.http.get("/index").json()["generation"] == "000002")
        assert found("new")
        assert "Traceback" not in server.log.read_text()
    with Index.open(index) as opened:
        assert verify(opened) == []
