"""A decision that is withdrawn over HTTP: searches answer its pair again, and its list has learned nothing from it."""

import hashlib

from copysight.catalog.moderation.matches import NewMatch
from copysight.catalog.moderation.moderation import NewMatchDecision
from copysight.client import Client
from copysight.index import Index
from copysight.scoring.decided import MIN_DECISIONS
from tests.service.moderation.test_lists import decision, photos, recompressed, search, service  # noqa: F401 - fixtures


def test_a_withdrawn_denial_is_answered_again(service, photos):  # noqa: F811
    clients, _ = service
    clients["admin"].put("/lists/banned", json={"policy": "block", "denials": 1})
    copy = recompressed(photos[0])
    body = {"decision": "deny", "match": search(clients, copy)["decision"]["match"]}
    made = clients["write"].post("/decisions", json=body).json()
    assert search(clients, copy)["decision"] is None
    assert clients["read"].get("/images", params={"state": "quarantined"}).json()["items"][0]["id"] == made["item"]

    url = f"/decisions/{made['id']}"
    assert clients["read"].delete(url).json()["code"] == "scope_missing"
    assert clients["write"].delete(url).status_code == 204
    assert decision(search(clients, copy)) == ("banned", "block")
    assert clients["read"].get("/images", params={"state": "quarantined"}).json()["items"] == []
    assert clients["read"].get("/decisions").json()["decisions"] == []
    again = clients["write"].delete(url)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert clients["write"].delete("/decisions/0").json()["code"] == "invalid_argument"
    entries = clients["admin"].get("/audit", params={"action": "decision"}).json()["entries"]
    assert [(one["action"], one["by"]) for one in entries] == [
        ("decision.withdraw", "write desk"),
        ("decision.deny", "write desk"),
    ]
    assert entries[0]["detail"]["withdrawn"] == "deny"
    assert entries[0]["detail"]["decision"] == made["id"]


def test_a_list_forgets_what_withdrawn_decisions_had_taught(service):  # noqa: F811
    clients, directory = service
    clients["admin"].put("/lists/banned", json={"policy": "block"})
    queries = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(MIN_DECISIONS)]
    with Index.open(directory) as index:  # another process decides
        moderation, [item] = index.catalog.moderation, index.catalog.page(collection="banned")
        about = {"stated": 0.9, "probability": 0.9, "verdict": "copy", "policy": "block", "action": "block"}
        matches = moderation.record([NewMatch("banned", item.id, item.sha256, query, **about) for query in queries])
        for number in matches[:-2]:
            moderation.decide(NewMatchDecision("confirm", match=number))

    def learned():
        return clients["read"].get("/lists").json()["lists"][0]["calibration"]

    with Client(str(clients["write"].base_url), clients["write"].headers["x-api-key"]) as client:
        client.decide_match("confirm", matches[-2])
        assert learned()["source"] == "index"
        last = client.decide_match("confirm", matches[-1])
        assert (learned()["source"], learned()["decisions"]) == ("decisions", MIN_DECISIONS)
        client.withdraw_match_decision(last.id)
        assert (learned()["source"], learned()["decisions"]) == ("index", None)
        client.decide_match("confirm", matches[-1])
        assert learned()["decisions"] == MIN_DECISIONS
