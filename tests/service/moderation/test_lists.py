"""Lists and decisions on a real server, with a second process that changes them: what a search answers then."""

import hashlib
import io
import time

import httpx
import pytest
from PIL import Image

from copysight.catalog.moderation.lists import ListPolicy
from copysight.index import Index
from service.auth.keys import Keys
from tests.conftest import encoded
from tests.index_builder.dedupe.test_command import photograph
from tests.service.conftest import serving


def recompressed(data, quality=60):
    """A smaller copy of a picture."""
    with Image.open(io.BytesIO(data)) as picture:
        return encoded(picture.resize((400, 300)), quality=quality)


@pytest.fixture(scope="module")
def photos():
    return [encoded(photograph(number), quality=95) for number in range(4)]


@pytest.fixture
def service(tmp_path, photos):
    """A server with keys, the default bundle and two items, one in `banned` and one in `watch`; and its directory."""
    Index.create(tmp_path / "index").close()
    keys = {scope: Keys(tmp_path / "index").add(f"{scope} desk", scope) for scope in ("read", "write", "admin")}
    with serving(tmp_path / "index", auth="keys") as server:
        clients = {
            scope: httpx.Client(base_url=server.url, headers={"X-API-Key": key}, timeout=60)
            for scope, key in keys.items()
        }
        for number, collection in ((0, "banned"), (1, "watch")):
            added = clients["write"].post(
                "/images", params={"collection": collection, "key": "case"}, files={"file": photos[number]}
            )
            assert added.status_code == 201, added.text
        yield clients, tmp_path / "index"
        for client in clients.values():
            client.close()


def search(clients, data, **params):
    answer = clients["read"].post("/search", params=params, files={"file": data})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][0]


def decision(found):
    return found["decision"] and (found["decision"]["list"], found["decision"]["action"])


def test_lists_say_what_to_do_and_change_at_once(service, photos):
    clients, directory = service
    admin, copy = clients["admin"], recompressed(photos[0])
    assert "lists" not in search(clients, copy)  # there are none yet
    assert clients["write"].put("/lists/banned", json={"policy": "block"}).json()["code"] == "scope_missing"
    made = admin.put("/lists/banned", json={"policy": "block", "action": "remove and report"})
    assert (made.status_code, made.json()["items"], made.json()["flood"]) == (201, 1, None)
    made = admin.put("/lists/watch", json={"policy": "review", "precision": 0.99})
    assert (made.json()["action"], made.json()["flood"], made.json()["author"]) == ("review", 20, "admin desk")
    assert made.json()["calibration"] == {"source": "index", "decisions": None, "needed": 50}

    found = search(clients, copy, collection="elsewhere")  # lists are asked whatever the search is about
    assert (found["matches"], decision(found)) == ([], ("banned", "remove and report"))
    [matched] = found["lists"][0]["matches"]
    assert (found["decision"]["id"], matched["key"], matched["verdict"]) == (matched["id"], "case", "copy")
    assert decision(search(clients, photos[1])) == ("watch", "review")
    assert search(clients, photos[2])["decision"] is None
    assert "lists" not in search(clients, copy, lists=False)

    # The same bytes on an allow list win over everything; a copy of them does not.
    allowed = clients["write"].post("/images", params={"collection": "fine"}, files={"file": copy}).json()
    admin.put("/lists/fine", json={"policy": "allow"})
    assert search(clients, copy)["decision"] | {"match": None} == {
        "list": "fine", "policy": "allow", "action": "allow", "id": allowed["id"], "match": None,
    }  # fmt: skip
    assert decision(search(clients, recompressed(photos[0], 50))) == ("banned", "remove and report")

    # Another process disables the item, and turns a list off.
    number = matched["id"]
    with Index.open(directory) as other:
        other.catalog.moderation.change(number, {"disabled": True}, "cron")
        found = search(clients, recompressed(photos[0], 50))
        assert (decision(found), [one["id"] for one in found["matches"]][:1]) == (("fine", "allow"), [allowed["id"]])
        other.catalog.moderation.put_list(ListPolicy("fine", "allow", enabled=False))
        assert search(clients, recompressed(photos[0], 50))["decision"] is None
    listed = {one["name"]: one for one in clients["read"].get("/lists").json()["lists"]}
    assert (listed["banned"]["disabled"], listed["fine"]["enabled"], listed["watch"]["items"]) == (1, False, 1)
    assert clients["read"].get("/images", params={"state": "disabled"}).json()["items"][0]["id"] == number
    changes = {"disabled": False, "expires": time.time() + 1.5, "note": "two years", "labels": ["licence"]}
    changed = clients["write"].patch(f"/images/{number}", json=changes).json()
    assert (changed["note"], changed["labels"], changed["metadata"]) == ("two years", ["licence"], {})
    assert search(clients, copy)["lists"][0]["matches"][0]["labels"] == ["licence"]
    time.sleep(max(0.0, changes["expires"] - time.time()))
    assert search(clients, copy)["decision"] is None
    assert clients["read"].get("/images", params={"state": "expired"}).json()["items"][0]["note"] == "two years"
    assert admin.delete("/lists/banned").status_code == 204
    assert admin.delete("/lists/banned").status_code == 404


def test_a_picture_is_matched_and_added_by_one_call(service, photos):
    clients, directory = service
    clients["admin"].put("/lists/banned", json={"policy": "block"})
    copy = recompressed(photos[0])
    for turn, status in enumerate((201, 200)):
        answer = clients["write"].post("/images", params={"match": True, "key": "up"}, files={"file": copy})
        added = answer.json()
        assert (answer.status_code, decision(added)) == (status, ("banned", "block"))
        assert added["id"] not in {one["id"] for one in added["matches"]}  # not even when it was there already
        with Index.open(directory) as index:
            match = index.catalog.moderation.match(added["decision"]["match"])
        assert (match.upload, match.times, match.author) == (added["id"], turn + 1, "write desk")
        assert match.query == hashlib.sha256(copy).hexdigest()
    lines = "".join(f'{{"image": "{one}", "key": "{number}"}}\n' for number, one in enumerate(as_text(photos[:3])))
    answer = clients["write"].post(
        "/images?match=true&collection=more", content=lines, headers={"content-type": "application/x-ndjson"}
    )
    results = [httpx.Response(200, text=line).json() for line in answer.text.splitlines()]
    assert [decision(one) for one in results] == [("banned", "block"), None, None]
    assert [one["matches"][0]["verdict"] for one in results[:2]] == ["exact", "exact"]
    plain = clients["write"].post("/images", params={"key": "plain"}, files={"file": photos[3]}).json()
    assert not {"matches", "lists", "decision"} & plain.keys()


def as_text(pictures):
    import base64

    return [base64.b64encode(one).decode() for one in pictures]


def test_a_denied_match_does_not_come_again(service, photos):
    clients, _ = service
    clients["admin"].put("/lists/banned", json={"policy": "block", "denials": 2})
    copies = [recompressed(photos[0], quality) for quality in (60, 50, 40)]
    matches = [search(clients, one)["decision"] for one in copies[:2]]
    body = {"decision": "deny", "match": matches[0]["match"], "reason": "our own licence"}
    assert clients["read"].post("/decisions", json=body).json()["code"] == "scope_missing"
    made = clients["write"].post("/decisions", json=body)
    assert (made.status_code, made.json()["author"], made.json()["list"]) == (201, "write desk", "banned")
    found = search(clients, copies[0])
    assert (found["decision"], found["lists"], [one["key"] for one in found["matches"]].count("case")) == (None, [], 1)
    assert decision(search(clients, copies[1])) == ("banned", "block")
    assert search(clients, copies[1], k=1)["matches"][0]["id"] == matches[0]["id"]

    clients["write"].post("/decisions", json={"decision": "deny", "match": matches[1]["match"]})
    found = search(clients, copies[2])  # the item was denied twice: it decides nothing any more
    assert (found["decision"], found["lists"][0]["matches"][0]["quarantined"]) == (None, True)
    [held] = clients["read"].get("/images", params={"state": "quarantined"}).json()["items"]
    assert (held["id"], held["reason"]) == (matches[0]["id"], "2 matches were denied")
    assert clients["read"].get("/lists").json()["lists"][0]["quarantined"] == 1
    clients["write"].patch(f"/images/{held['id']}", json={"quarantined": False})
    assert decision(search(clients, copies[2])) == ("banned", "block")
    assert search(clients, copies[1])["decision"] is None

    sha256 = hashlib.sha256(copies[1]).hexdigest()
    clients["write"].post("/decisions", json={"decision": "confirm", "query": sha256, "item": held["id"]})
    assert decision(search(clients, copies[1])) == ("banned", "block")
    page = clients["read"].get("/decisions", params={"list": "banned", "limit": 2}).json()
    assert [one["reason"] for one in page["decisions"]] == ["our own licence", ""]
    rest = clients["read"].get("/decisions", params={"list": "banned", "after": page["next"]}).json()
    assert ([one["decision"] for one in rest["decisions"]], rest["next"]) == (["confirm"], None)


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", "/lists/x", {"policy": "burn"}, "block"),
        ("PUT", "/lists/x", {"policy": "block", "precison": 0.9}, "precison"),
        ("PUT", "/lists/x", {"policy": "block", "precision": 1}, "precision"),
        ("PUT", "/lists/x%E2%80%A8y", {"policy": "block"}, "control characters"),
        ("POST", "/decisions", {"decision": "deny"}, "about nothing"),
        ("POST", "/decisions", {"decision": "deny", "query": "x", "item": 1}, "query"),
        ("POST", "/decisions", {"decision": "burn", "match": 1}, "deny"),
        ("PATCH", "/images/1", {}, "nothing else to change"),
        ("PATCH", "/images/1", {"lables": []}, "lables"),
        ("PATCH", "/images/1", {"labels": [""]}, "labels"),
        ("PATCH", "/images/1", {"disabled": "yes"}, "disabled"),
        ("GET", "/images?state=gone", None, "state"),
        ("GET", "/images?state=disabled&key=1", None, "alone"),
    ],
)
def test_wrong_bodies_change_nothing(shared, method, path, body, words):
    answer = shared.http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument"), answer.text
    assert words in answer.json()["detail"], answer.text
    assert shared.http.get("/lists").json() == {"lists": []}
