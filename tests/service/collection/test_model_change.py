"""Re-embedding under load: no request fails, and every answer comes from one bundle."""

import threading
import time

from copysight.index import Index, verify
from tests.service.conftest import PICTURES, serving


class Load:
    """A client that adds, searches and deletes without a pause. ``answers`` has one entry for each request."""

    def __init__(self, server, pictures):
        self.server, self.pictures = server, pictures
        self.answers, self.bundles, self.added = [], [], []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _run(self):
        number = 0
        while not self.stop.is_set():
            number += 1
            key, data = f"new-{number}", self.pictures[number % len(self.pictures)]
            added = self._request("POST", "/images", params={"key": key}, files={"file": data})
            found = self._request("POST", "/search", params={"k": 200}, files={"file": data})
            self.bundles.append(found["model"])
            (item,) = found["items"]
            # An acknowledged picture is found at once, with either bundle.
            self.added.append(added["id"] in {match["id"] for match in item["matches"]})
            assert item["matches"][0]["similarity"] > 0.999
            if number % 2:
                self._request("DELETE", f"/images/{added['id']}")

    def _request(self, method, path, **more):
        answer = self.server.http.request(method, path, **more)
        self.answers.append((answer.status_code, path, answer.text if answer.is_error else ""))
        return answer.json() if answer.content else None


def test_no_request_fails_while_the_bundle_changes(index, tiny_bundle, other_bundle, drawn, jpeg):
    with serving(index) as server:
        with Load(server, [jpeg(drawn(60 + number)) for number in range(8)]) as load:
            started = server.http.post(
                "/index/rebuild", json={"bundle": str(other_bundle.path)}, headers={"Accept": "application/json"}
            )
            assert started.status_code == 202, started.text
            assert started.json()["kind"] == "reembed"
            busy = server.http.post("/index/rebuild", json={"bundle": str(other_bundle.path)})
            assert (busy.status_code, busy.json()["code"]) == (409, "publisher_busy")
            deadline = time.monotonic() + 120
            while not load.bundles or load.bundles[-1] != other_bundle.id:
                assert time.monotonic() < deadline, server.http.get("/jobs").text
                assert load.thread.is_alive(), load.answers[-3:]
                time.sleep(0.05)
        assert [answer for answer in load.answers if answer[0] >= 400] == []
        assert all(load.added)
        changes = [pair for pair in zip(load.bundles, load.bundles[1:], strict=False) if pair[0] != pair[1]]
        assert changes == [(tiny_bundle.id, other_bundle.id)]
        while (job := server.http.get(started.headers["Location"]).json())["state"] == "running":
            assert time.monotonic() < deadline, job  # the job ends a little after the change
            time.sleep(0.05)
        assert (job["state"], job["message"]) == ("done", "000002")
    with Index.open(index) as opened:
        assert verify(opened) == []
        assert opened.catalog.missing_count(other_bundle.id) == 0
        assert opened.catalog.count() == PICTURES + len(load.added) // 2


def test_a_missing_bundle_is_refused_at_once(http):
    answer = http.post("/index/rebuild", json={"bundle": "/nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert "/nowhere" in answer.json()["detail"]
