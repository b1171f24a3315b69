"""Originals of items, and deletes by key and by filter, on a real server."""

import pytest

from copysight.client import Client, Refused
from copysight.index import Index
from service.auth.keys import Keys
from tests.service.conftest import serving


@pytest.fixture
def server(index):
    with serving(index) as running:
        yield running


def keys(http):
    return [one["key"] for one in http.get("/images?limit=100").json()["items"]]


def test_the_original_is_the_file_that_was_added(server, pictures):
    [item] = server.http.get("/images?key=3.jpg").json()["items"]
    answer = server.http.get(f"/images/{item['id']}/original")
    assert answer.content == (pictures / "3.jpg").read_bytes()
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"] == f'attachment; filename="{item["sha256"]}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = server.http.get(f"/images/{item['id']}/original", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert server.http.get("/images/99999/original").json()["code"] == "not_found"


def test_an_index_without_originals_says_so(tmp_path, tiny_bundle, drawn, jpeg):
    Index.create(tmp_path / "index", tiny_bundle.path, policy="discard").close()
    with serving(tmp_path / "index") as running:
        number = running.http.post("/images", files={"file": jpeg(drawn(1))}).json()["id"]
        refused = running.http.get(f"/images/{number}/original")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert "has no original" in refused.json()["detail"]


def test_a_key_that_only_reads_gets_no_original(index):
    read, write = (Keys(index).add(scope, scope) for scope in ("read", "write"))
    with serving(index, auth="keys") as running:
        asked = "/images/1/original"
        assert running.http.get(asked, headers={"X-API-Key": read}).json()["code"] == "scope_missing"
        assert running.http.get(asked, headers={"X-API-Key": write}).status_code == 200
        assert running.http.delete("/images?key=1.jpg", headers={"X-API-Key": read}).json()["code"] == "scope_missing"


def test_items_are_deleted_by_key_and_by_filter(server):
    assert server.http.delete("/images", params={"key": "3.jpg"}).json()["deleted"] == 1
    assert server.http.delete("/images", params={"key": "3.jpg"}).json()["deleted"] == 0
    assert server.http.delete("/images", params={"key": "4.jpg", "collection": "none"}).json()["deleted"] == 0
    assert "3.jpg" not in keys(server.http)
    wanted = {"filter": '{"prefix": ["key", "1"]}'}
    assert server.http.delete("/images", params=wanted | {"dry_run": "true"}).json()["deleted"] == 3
    assert server.http.delete("/images", params=wanted | {"collection": "none"}).json()["deleted"] == 0
    assert server.http.delete("/images", params=wanted).json()["deleted"] == 3
    assert sorted(keys(server.http)) == [f"{number}.jpg" for number in (0, 2, 4, 5, 6, 7, 8, 9)]
    with Client(server.url) as client:
        assert client.delete_matching(filter={"eq": ["key", "2.jpg"]}, dry_run=True) == 1
        assert client.delete_matching(key="2.jpg") == 1
        with pytest.raises(Refused):
            client.delete_matching(filter={"eq": ["colour", "red"]})
        number = client.page(key="4.jpg").items[0].id
        assert client.original(number)[:2] == b"\xff\xd8"


@pytest.mark.parametrize("asked", ["", "?collection=default", "?filter=null", "?key=1.jpg&filter={}", "?filter={"])
def test_nothing_is_deleted_unless_one_of_key_and_filter_says_what(server, asked):
    assert server.http.delete(f"/images{asked}").status_code == 400
    assert len(keys(server.http)) == 12
