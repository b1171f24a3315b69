"""Two servers of one index on PostgreSQL: each sees what the other does, from a new picture to a new generation."""

import subprocess
import sys
import time
from pathlib import Path

from copysight.catalog.jobs import Jobs
from copysight.index import Index, verify
from service.jobs.rebuilds import Rebuilder
from tests.service.cluster.conftest import until
from tests.service.moderation.receiver import receiving


def ok(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def found(server, picture: bytes, key: str) -> bool:
    [item] = ok(server.http.post("/search?k=5", files={"file": picture}))["items"]
    return key in [match["key"] for match in item["matches"]]


def test_each_server_sees_what_the_other_writes(two, clustered, drawn, jpeg):
    one, other = two
    picture = jpeg(drawn(900))
    assert not (clustered / "catalog.sqlite").exists()
    assert not found(other, picture, "new")  # its snapshot is from before
    added = ok(one.http.post("/images?key=new", files={"file": picture}), 201)
    assert found(one, picture, "new")  # at once
    began = time.monotonic()
    until(lambda: found(other, picture, "new"))
    assert time.monotonic() - began < 5
    assert ok(other.http.post("/images?key=new", files={"file": picture}))["id"] == added["id"]
    assert other.http.post("/images?key=new", files={"file": jpeg(drawn(901))}).json()["code"] == "key_conflict"
    ok(other.http.patch(f"/images/{added['id']}", json={"metadata": {"seen": True}}))
    assert ok(one.http.get(f"/images/{added['id']}"))["metadata"] == {"seen": True}
    other.http.delete(f"/images/{added['id']}")
    assert not found(other, picture, "new")
    until(lambda: not found(one, picture, "new"))


def test_lists_decisions_webhooks_and_the_record_are_one(two, clustered, drawn, jpeg):
    one, other = two
    picture = jpeg(drawn(902))
    item = ok(one.http.post("/images?collection=watch&key=case", files={"file": picture}), 201)["id"]
    ok(other.http.put("/lists/watch", json={"policy": "review"}), 201)
    with receiving(failing=0.0) as receiver:
        hook = ok(other.http.post("/webhooks", json={"url": receiver.url}), 201)
        receiver.secret = hook["secret"]

        def matched():
            answer = ok(
                one.http.post("/images?collection=up&match=true&replace=true&key=x", files={"file": picture}), 201
            )
            return answer.get("decision") or (one.http.delete(f"/images/{answer['id']}"), None)[1]

        match = until(matched)["match"]
        decided = ok(other.http.post("/decisions", json={"match": match, "decision": "deny", "reason": "no"}), 201)
        assert [row["id"] for row in ok(one.http.get("/decisions"))["decisions"]] == [decided["id"]]
        until(lambda: {"match.created", "decision.created"} <= {event.type for event in receiver.accepted})
    names = [event.id for event in receiver.accepted]
    assert len(set(names)) == len(names)
    entries = ok(one.http.get("/audit?limit=1000"))["entries"]
    assert {"item.add", "list.put", "webhook.create", "decision.deny"} <= {entry["action"] for entry in entries}
    with Index.open(clustered) as index:
        assert index.catalog.audit.check().fault is None
        assert index.catalog.get(item).key == "case"


def test_a_rebuild_of_one_server_is_live_on_both(two, clustered, drawn, jpeg):
    one, other = two
    before = ok(other.http.get("/index"))["generation"]
    ok(one.http.post("/images?key=new", files={"file": jpeg(drawn(903))}), 201)
    job = ok(one.http.post("/index/rebuild"), 202)["id"]
    until(lambda: ok(other.http.get(f"/jobs/{job}"))["state"] == "done", 120)
    for server in two:
        until(lambda server=server: ok(server.http.get("/index"))["generation"] > before)
        assert ok(server.http.get("/index"))["delta"] == 0
    with Index.open(clustered) as index:
        assert verify(index) == []


def test_an_index_on_postgresql_can_go_back_to_a_file(clustered: Path, tmp_path, monkeypatch, pictures):
    from copysight.index.upkeep import backup

    with Index.open(clustered) as index:
        ids = [item.id for item in index.catalog.page()]
        backup.backup(index, tmp_path / "file")
    monkeypatch.delenv("COPYSIGHT_CATALOG")
    with Index.open(tmp_path / "file") as index:
        assert index.catalog.path.name == "catalog.sqlite"
        assert [item.id for item in index.catalog.page()] == ids
        assert verify(index) == []
        assert index.catalog.audit.check().fault is None


def test_an_index_with_a_file_is_not_served_as_if_it_were_on_postgresql(index, postgresql):
    command = [sys.executable, "-m", "cli", "serve", "--index", index, "--port", "0", "--catalog", postgresql.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "is a SQLite file" in done.stderr.splitlines()[-1]


def test_a_rebuild_whose_server_was_killed_before_it_began_is_started_by_another(clustered):
    with Index.open(clustered) as index:
        job = Jobs(index.catalog._database, lambda: time.time() - 1000).create("rebuild")
        rebuilders = [Rebuilder(clustered, index) for _ in range(2)]
        adopted = [one.adopt() for one in rebuilders]
        assert [one and one.id for one in adopted] == [job.id, None]
        until(lambda: index.catalog.jobs.get(job.id).state == "done", 120)
        assert rebuilders[0]._worker.wait(timeout=60) == 0
