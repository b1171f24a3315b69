"""``/duplicates`` on a real server: the search as a job, pages and filters, decisions and their undo."""

import json
import time

import pytest

from copysight.client import Client, DuplicateOptions, Refused
from copysight.index import Index
from index_builder.build import Plan, build
from index_builder.progress import Progress
from service.auth.keys import Keys
from tests.conftest import encoded
from tests.index_builder.dedupe.test_command import photograph
from tests.service.conftest import serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pictures with a copy each (exact, resized, a part), and two without."""
    root = tmp_path_factory.mktemp("copies")
    for number in range(5):
        (root / f"{number}.jpg").write_bytes(encoded(photograph(number), quality=95))
    (root / "0-same.jpg").write_bytes((root / "0.jpg").read_bytes())
    photograph(1).resize((320, 240)).save(root / "1-small.jpg", quality=85)
    photograph(2).crop((60, 40, 560, 420)).save(root / "2-detail.jpg", quality=90)
    return root


@pytest.fixture
def client(folder, tmp_path):
    """A server with the default bundle, whose calibration the search needs."""
    build(Plan(folder, tmp_path / "index", bundle="default", threads=1, publish=False), Progress())
    with serving(tmp_path / "index") as server, Client(server.url) as made:
        yield made


def finished(client, job):
    until = time.monotonic() + 120
    while client.job(job.id).state in {"queued", "running"}:
        assert time.monotonic() < until
        time.sleep(0.05)
    return client.job(job.id)


def groups(client, **wanted):
    found = client.duplicates(DuplicateOptions(**wanted))
    return {one.keep.key: {member.key: member.verdict for member in one.members} for one in found.groups}


ALL = {"0.jpg": {"0-same.jpg": "exact"}, "1.jpg": {"1-small.jpg": "resized"}, "2.jpg": {"2-detail.jpg": "part"}}


def test_a_whole_clean_up_and_its_undo(client):
    nothing = client.duplicates()
    assert (nothing.computed, nothing.groups, nothing.total, nothing.job) == (None, [], 0, None)
    with pytest.raises(Refused, match="was not searched"):
        client.resolve_duplicates()
    job = finished(client, client.find_duplicates())
    assert (job.kind, job.state) == ("duplicates", "done"), job.message
    first = client.duplicates()
    assert groups(client) == ALL
    assert (first.total, first.copies, first.next, first.undo) == (3, 3, None, None)
    assert (first.computed["searched"], first.computed["new"], first.job["id"]) == (8, 0, job.id)
    kept = next(one for one in first.groups if one.keep.key == "1.jpg")
    assert (kept.reason, kept.keep.format, kept.keep.width) == ("most pixels", "JPEG", 640)
    assert first.bytes == sum(member.bytes for one in first.groups for member in one.members)
    page = client.duplicates(offset=1, limit=1)
    assert (page.groups, page.next) == (first.groups[1:2], 2)
    assert groups(client, verdict="exact,part").keys() == {"0.jpg", "2.jpg"}
    assert groups(client, prefix="1-").keys() == {"1.jpg"}
    assert groups(client, keep="path=*small*,resolution")["1-small.jpg"] == {"1.jpg": "resized"}

    ids = {item.key: item.id for item in client.items()}
    apart = client.decide([("not_duplicates", [ids["2.jpg"], ids["2-detail.jpg"]])])
    assert groups(client).keys() == {"0.jpg", "1.jpg"}
    swapped = client.decide([("keep", [ids["1-small.jpg"], ids["1.jpg"]])])
    assert groups(client)["1-small.jpg"] == {"1.jpg": "resized"}
    assert next(one for one in client.duplicates().groups if one.keep.key[0] == "1").reason == "chosen by hand"
    done = client.resolve_duplicates()
    assert (done.removed, groups(client)) == (2, {})
    assert {item.key for item in client.items()} == ids.keys() - {"1.jpg", "0-same.jpg"}
    assert client.duplicates().undo == done.batch
    undone = client.undo_decisions(done.batch)
    assert (undone.restored, undone.left) == (2, [])
    assert {item.key: item.id for item in client.items()} == ids
    for batch in (swapped.batch, apart.batch):
        client.undo_decisions(batch)
    assert groups(client) == ALL
    assert client.thumbnail(ids["1.jpg"])[:2] == b"\xff\xd8"
    with pytest.raises(Refused, match="perhaps it was undone"):
        client.undo_decisions(done.batch)


def test_wrong_bodies_decide_nothing(shared):
    http = shared.http
    for body, words in (
        ({}, "exactly one"),
        ({"undo": 1, "decisions": []}, "exactly one"),
        ({"decision": []}, "decision"),
        ({"decisions": [{"decision": "burn", "ids": [1, 2]}]}, "not_duplicates"),
        ({"decisions": [{"decision": "keep", "ids": [1, 2], "why": 1}]}, "why"),
        ({"decisions": [{"decision": "keep", "ids": [1]}]}, "2 to 1,000"),
        ({"decisions": [{"decision": "keep", "ids": [1, "2"]}]}, "integer"),
    ):
        answer = http.post("/duplicates/decisions", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument"), body
        assert words in answer.json()["detail"], answer.json()
    gone = {"decisions": [{"decision": "remove", "ids": [1]}, {"decision": "keep", "ids": [1, 999]}]}
    answer = http.post("/duplicates/decisions", json=gone)
    assert (answer.status_code, "nothing was decided" in answer.json()["detail"]) == (404, True)
    assert http.get("/images/1").status_code == 200
    sent = {"Content-Type": "application/json"}
    for name in ("\x00", "\ud800", "a\nb", ""):
        answer = http.post("/duplicates", content=json.dumps({"collection": name}), headers=sent)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument"), name
        answer = http.post("/duplicates/decisions", content=json.dumps({"resolve": {"collection": name}}), headers=sent)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument"), name
    for query in ("verdict=copy", "keep=best", "min_probability=0.2", "colection=x"):
        assert http.get(f"/duplicates?{query}").status_code == 400, query


def test_deciding_needs_a_key_of_scope_write_whose_name_is_kept(index):
    keys = {scope: Keys(index).add(f"a {scope} key", scope) for scope in ("read", "write")}
    with serving(index, auth="keys") as server:
        body = {"decisions": [{"decision": "keep_all", "ids": [1, 2]}]}
        answers = {
            scope: server.http.post("/duplicates/decisions", json=body, headers={"X-API-Key": key})
            for scope, key in keys.items()
        }
        assert (answers["read"].json()["code"], answers["write"].json()["decisions"]) == ("scope_missing", 1)
        assert server.http.get("/duplicates", headers={"X-API-Key": keys["read"]}).status_code == 200
    with Index.open(index) as opened:
        assert [one.author for one in opened.catalog.curation.decisions()] == ["a write key"]
