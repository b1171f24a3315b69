"""The map over HTTP: places, clusters and fields of the items that are left, and an index without a map."""

import shutil

import numpy as np
import pytest

from copysight.client import Client
from copysight.curation import flat_map
from copysight.curation.flat_map import FlatMap
from tests.service.conftest import serving

COLUMNS = ("id", "key", "x", "y", "cluster")


@pytest.fixture
def changing(tmp_path, origin):
    """A server on an index of its own."""
    with serving(shutil.copytree(origin, tmp_path / "index")) as server:
        yield server


@pytest.fixture
def mapped(changing):
    """A server whose index has a map of all but the last item."""
    ids = np.sort([item["id"] for item in changing.http.get("/images").json()["items"]])[:-1]
    places = np.random.default_rng(0).uniform(-1, 1, (len(ids), 2)).astype(np.float32)
    flat_map.write(changing.index, FlatMap(ids, places))
    return changing, ids, places


def test_an_index_without_a_map_says_so(changing):
    answer = changing.http.get("/map").json()
    assert answer["made"] is False
    assert [answer[name] for name in COLUMNS] == [[]] * len(COLUMNS)
    assert "camera" in answer["fields"]


def test_the_map_has_places_clusters_and_values_of_the_items_that_are_left(mapped):
    server, ids, places = mapped
    answer = server.http.get("/map", params={"field": "width"}).json()
    assert answer["made"] is True
    assert answer["id"] == ids.tolist()
    assert np.allclose(np.stack([answer["x"], answer["y"]], axis=1), places, atol=1e-4)
    known = {item["id"]: item for item in server.http.get("/images").json()["items"]}
    assert answer["key"] == [known[number]["key"] for number in answer["id"]]
    assert answer["value"] == [known[number]["width"] for number in answer["id"]]
    members = {
        member["id"]: cluster["id"]
        for cluster in server.http.get("/clusters").json()["clusters"]
        for member in server.http.get(f"/clusters/{cluster['id']}").json()["members"]
    }
    assert answer["cluster"] == [members[number] for number in answer["id"]]
    server.http.delete(f"/images/{ids[0]}").raise_for_status()
    assert server.http.get("/map").json()["id"] == ids[1:].tolist()
    assert "value" not in server.http.get("/map").json()


def test_the_client_reads_the_map(mapped):
    server, ids, _ = mapped
    with Client(server.url) as client:
        found = client.map(field="width")
    answer = server.http.get("/map", params={"field": "width"}).json()
    assert (list(found.id), found.made) == (ids.tolist(), True)
    assert [list(found.x), list(found.y), list(found.value or ())] == [answer[name] for name in ("x", "y", "value")]


def test_fields_of_the_metadata_and_of_folders(mapped):
    server, ids, _ = mapped
    server.http.patch(f"/images/{ids[0]}", json={"metadata": {"album": "sea", "list": [1]}}).raise_for_status()
    assert server.http.get("/map?field=album").json()["value"][:2] == ["sea", None]
    assert server.http.get("/map?field=list").json()["value"][0] is None
    assert set(server.http.get("/map?field=folder").json()["value"]) == {"."}
    assert server.http.get("/map?collection=none").json()["id"] == []
