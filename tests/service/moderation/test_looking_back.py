"""A new item of a list is matched against the queries of the last days, on a real server."""

import io
import sqlite3
import time

import pytest
from PIL import Image

from copysight.index import Index
from tests.conftest import encoded
from tests.index_builder.dedupe.test_command import photograph
from tests.service.conftest import serving


@pytest.fixture(scope="module")
def photos():
    return [encoded(photograph(number), quality=95) for number in range(3)]


def recompressed(data):
    with Image.open(io.BytesIO(data)) as picture:
        return encoded(picture.resize((400, 300)), quality=60)


def test_a_picture_that_comes_onto_a_list_is_found_in_recent_queries(tmp_path, photos):
    Index.create(tmp_path / "index").close()
    with serving(tmp_path / "index", remember="30d") as server:
        http = server.http
        http.timeout = 60
        http.put("/lists/banned", json={"policy": "review", "flood": None}).raise_for_status()
        copy = recompressed(photos[0])
        http.post("/search", files={"file": copy}).raise_for_status()
        upload = http.post("/images?match=true", files={"file": photos[1]}).json()
        assert "recent" not in upload  # it came onto no list
        began = time.time()

        added = http.post("/images?collection=banned", files={"file": photos[0]}).json()
        [found] = [one for one in added["recent"] if one["query"] != upload["sha256"]]
        assert found["verdict"] == "copy"
        assert found["probability"] >= 0.9
        assert began - 60 < found["seen"] <= time.time()
        waiting = http.get("/reviews").json()["reviews"]
        assert found["match"] in [one["match"] for one in waiting]

        again = http.post("/images?collection=banned", files={"file": photos[0]}).json()
        assert (again["status"], "recent" in again) == ("unchanged", False)
        same = http.post("/images?collection=banned&key=same", files={"file": photos[1]}).json()
        assert ("exact", upload["sha256"]) in [(one["verdict"], one["query"]) for one in same["recent"]]

        http.post("/decisions", json={"decision": "deny", "match": found["match"]}).raise_for_status()
        http.delete(f"/images/{added['id']}")
        denied = http.post("/images?collection=banned", files={"file": photos[0]}).json()
        assert found["query"] not in [one["query"] for one in denied["recent"]]


def test_nothing_is_remembered_by_default(tmp_path, photos):
    Index.create(tmp_path / "index").close()
    with serving(tmp_path / "index") as server:
        server.http.timeout = 60
        server.http.post("/search", files={"file": photos[0]}).raise_for_status()
        server.http.put("/lists/banned", json={"policy": "block"}).raise_for_status()
        assert "recent" not in server.http.post("/images?collection=banned", files={"file": photos[0]}).json()
    connection = sqlite3.connect(tmp_path / "index" / "catalog.sqlite")
    assert connection.execute("SELECT count(*) FROM recent_queries").fetchone() == (0,)
    connection.close()


def test_queries_are_stored_when_the_server_stops_and_forgotten_in_time(tmp_path, photos):
    Index.create(tmp_path / "index").close()
    with serving(tmp_path / "index", remember="1s") as server:
        server.http.timeout = 60
        server.http.post("/search", files={"file": photos[0]}).raise_for_status()
    with Index.open(tmp_path / "index") as index:
        assert len(index.catalog.recent.all(index.snapshot().bundle.id, 3600).sha256) == 1
    time.sleep(1.1)
    with serving(tmp_path / "index", remember="1s") as server:
        server.http.timeout = 60
        server.http.put("/lists/banned", json={"policy": "block"}).raise_for_status()
        assert server.http.post("/images?collection=banned", files={"file": photos[0]}).json()["recent"] == []
