"""Calls that change the collection: add, delete, metadata, rebuild, rollback; and writes of other processes."""

import time

import pytest

from index_builder.build import Plan, build
from index_builder.progress import Progress
from tests.service.conftest import serving


@pytest.fixture
def server(index):
    with serving(index) as running:
        yield running


def search(server, data, **options):
    return server.http.post("/search", files={"file": data}, params=options).json()["items"][0]["matches"]


def test_add_find_delete(server, drawn, jpeg):
    data = jpeg(drawn(50))
    answer = server.http.post("/images", files={"file": data}, data={"key": "new", "metadata": '{"album": "a"}'})
    item = answer.json()
    assert answer.status_code == 201
    assert (item["key"], item["metadata"], item["width"]) == ("new", {"album": "a"}, 160)
    assert search(server, data, k=1)[0]["id"] == item["id"]
    assert server.http.get("/index").json()["delta"] == 1
    assert server.http.get(f"/images/{item['id']}/thumbnail").status_code == 200
    assert server.http.delete(f"/images/{item['id']}").status_code == 204
    assert item["id"] not in [match["id"] for match in search(server, data, k=20)]
    assert server.http.get(f"/images/{item['id']}").status_code == 404
    assert server.http.delete(f"/images/{item['id']}").status_code == 404


def test_adding_a_key_again_is_idempotent_and_never_overwrites_by_default(server, drawn, jpeg):
    first, other = jpeg(drawn(51)), jpeg(drawn(52))

    def add(data, **options):
        return server.http.post("/images", files={"file": data}, params={"key": "a/b.jpg"} | options)

    made = add(first)
    assert made.status_code == 201
    again = add(first)
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    conflict = add(other)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "key_conflict")
    assert add(other, replace=True).status_code == 200
    assert search(server, other, k=1)[0]["key"] == "a/b.jpg"
    elsewhere = add(first, collection="tenant")
    assert elsewhere.status_code == 201
    assert [match["collection"] for match in search(server, first, k=5, collection="tenant")] == ["tenant"]


@pytest.mark.parametrize(
    "options", [{"key": "a\nb"}, {"key": "x" * 2000}, {"metadata": "{"}, {"metadata": "[1]"}, {"collection": ""}]
)
def test_a_bad_field_of_a_new_picture_is_refused(server, drawn, jpeg, options):
    answer = server.http.post("/images", files={"file": jpeg(drawn(53))}, params=options)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_metadata_can_be_changed(server):
    changed = server.http.patch("/images/1", json={"metadata": {"seen": True}})
    assert changed.json()["metadata"] == {"seen": True}
    assert server.http.get("/images/1").json()["metadata"] == {"seen": True}
    assert server.http.patch("/images/1", json={"metadata": 3}).status_code == 400


def test_a_rebuild_includes_new_items_and_a_rollback_restores_the_old_generation(server, drawn, jpeg):
    data = jpeg(drawn(54))
    server.http.post("/images?key=new", files={"file": data})
    name = server.http.get("/clusters").json()["clusters"][0]["id"]
    server.http.patch(f"/clusters/{name}", json={"name": "shapes"})
    answer = server.http.post("/index/rebuild")
    assert answer.status_code == 202
    job = wait_for(server, answer.headers["location"])
    assert (job["state"], job["kind"], job["message"]) == ("done", "rebuild", "000002")
    server.http.post("/index/reload")
    status = server.http.get("/index").json()
    assert (status["generation"], status["count"], status["delta"]) == ("000002", 13, 0)
    assert "shapes" in [cluster["name"] for cluster in server.http.get("/clusters").json()["clusters"]]
    back = server.http.post("/index/rollback").json()
    assert (back["generation"], back["count"], back["delta"]) == ("000001", 13, 1)
    assert search(server, data, k=1)[0]["key"] == "new"


def test_a_generation_of_another_process_goes_live(server, pictures, drawn, jpeg, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    data = jpeg(drawn(60))
    (folder / "later.jpg").write_bytes(data)
    build(Plan(folder, server.index, threads=1), Progress())
    assert search(server, data, k=1)[0]["key"] == "later.jpg"
    for _ in range(100):
        if server.http.get("/index").json()["generation"] == "000002":
            break
        time.sleep(0.05)
    assert server.http.get("/index").json()["generation"] == "000002"
    assert search(server, data, k=1)[0]["key"] == "later.jpg"


def test_acknowledged_pictures_survive_a_kill(index, drawn, jpeg):
    with serving(index) as server:
        kept = [
            server.http.post(f"/images?key=k{seed}", files={"file": jpeg(drawn(seed))}).json()["id"]
            for seed in range(70, 74)
        ]
        server.process.kill()
        server.process.wait()
    with serving(index) as again:
        assert [again.http.get(f"/images/{number}").status_code for number in kept] == [200] * 4
        assert again.http.get("/index").json()["count"] == 16


def wait_for(server, location):
    for _ in range(400):
        job = server.http.get(location).json()
        if job["state"] in {"done", "failed"}:
            return job
        time.sleep(0.1)
    raise AssertionError(f"the job did not end: {job}")
