"""`/readyz`: ready only if a test picture is answered in time, also while generations change."""

import os
import signal
import threading
import time

from tests.service.conftest import serving
from tests.service.intake.test_decoding import children


def rebuilt(server):
    """A new generation, live."""
    job = server.http.post("/index/rebuild").json()["id"]
    for _ in range(600):
        state = server.http.get(f"/jobs/{job}").json()["state"]
        if state in {"done", "failed"}:
            break
        time.sleep(0.1)
    assert state == "done"
    return server.http.post("/index/reload").json()["generation"]


def test_it_stays_ready_while_generations_change(index):
    """Called without a pause while a generation is built, published, and rolled back and forth ten times."""
    answers, stop = [], threading.Event()
    with serving(index) as server:

        def ask():
            import httpx

            with httpx.Client(base_url=server.url, timeout=30) as http:
                while not stop.is_set():
                    answer = http.get("/readyz")
                    answers.append((answer.status_code, answer.json().get("status"), answer.json().get("generation")))

        asking = threading.Thread(target=ask)
        asking.start()
        new = rebuilt(server)
        for _ in range(5):
            assert server.http.post("/index/rollback", json={"to": "000001"}).status_code == 200
            assert server.http.post("/index/rollback", json={"to": new}).status_code == 200
        stop.set()
        asking.join()
    assert {(status, word) for status, word, _ in answers} == {(200, "ready")}
    assert {generation for _, _, generation in answers} == {"000001", new}


def test_it_is_stale_when_the_live_generation_is_damaged(index, pictures):
    """An older generation answers, and the detail names the damaged one."""
    with serving(index) as server:
        new = rebuilt(server)
    vectors = max((index / "generations" / new).iterdir(), key=lambda file: file.stat().st_size)
    vectors.write_bytes(b"damaged" + vectors.read_bytes()[7:])
    with serving(index) as server:
        found = server.http.get("/readyz")
        assert (found.status_code, found.json()["status"], found.json()["generation"]) == (200, "stale", "000001")
        assert new in found.json()["detail"]
        files = {"file": (pictures / "0.jpg").read_bytes()}
        assert server.http.post("/search", files=files).json()["items"][0]["matches"]


def test_a_server_that_cannot_answer_in_time_is_alive_and_not_ready(index):
    """The only decoding process is stopped: 503 after five seconds; it is replaced after seven, then ready again."""
    with serving(index, decode="process", decoders=1, decode_seconds=7) as server:
        assert server.http.get("/readyz").json()["status"] == "ready"
        [stuck] = children(server.process.pid)
        os.kill(stuck, signal.SIGSTOP)
        began = time.monotonic()
        found = server.http.get("/readyz")
        assert (found.status_code, found.json()["code"]) == (503, "not_ready")
        assert "5 s" in found.json()["detail"]
        assert 4 < time.monotonic() - began < 15
        assert server.http.get("/healthz").status_code == 200
        for _ in range(20):
            found = server.http.get("/readyz")
            if found.status_code == 200:
                break
        assert found.json()["status"] == "ready"
        assert children(server.process.pid) != [stuck]
