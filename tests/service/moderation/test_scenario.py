"""A day of a trust-and-safety desk over HTTP: two keys, a webhook receiver that fails half of the time, an audit."""

import hashlib
import time

import httpx
import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.index import Index
from service.auth.keys import Keys
from tests.service.conftest import serving
from tests.service.moderation.receiver import receiving
from tests.service.moderation.test_lists import photos, recompressed  # noqa: F401 - a fixture

LOOPBACK = {"webhook_networks": "127.0.0.1/32", "webhook_retry_seconds": 0.02}


def until(condition, seconds=20.0):
    """Wait until something holds. Returns what it returned."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def desk(tmp_path):
    """A server with keys, the clients of an admin and of a moderator, and a receiver that knows its secret."""
    Index.create(tmp_path / "index").close()
    keys = {name: Keys(tmp_path / "index").add(name, scope) for name, scope in (("lead", "admin"), ("ann", "write"))}
    with receiving() as receiver, serving(tmp_path / "index", auth="keys", **LOOPBACK) as server:
        lead, ann = (httpx.Client(base_url=server.url, headers={"X-API-Key": key}, timeout=60) for key in keys.values())
        made = lead.post("/webhooks", json={"url": receiver.url, "note": "desk"})
        assert made.status_code == 201, made.text
        receiver.secret = made.json()["secret"]
        yield lead, ann, receiver, server.index
        lead.close()
        ann.close()


def ok(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def test_lists_match_at_upload_review_deny_quarantine_expiry_replay_audit(desk, photos):  # noqa: F811
    lead, ann, receiver, directory = desk
    # A list, and a picture on it.
    item = ok(ann.post("/images", params={"collection": "watch", "key": "case-1"}, files={"file": photos[0]}), 201)[
        "id"
    ]
    ok(lead.put("/lists/watch", json={"policy": "review", "denials": 3}), 201)
    assert ann.post("/webhooks", json={"url": receiver.url}).json()["code"] == "scope_missing"
    assert ann.get("/audit").json()["code"] == "scope_missing"

    # Copies are uploaded; each opens one review.
    copies = [recompressed(photos[0], quality) for quality in (40, 50, 60, 70)]
    uploads = [
        ok(ann.post("/images", params={"match": True, "collection": "uploads"}, files={"file": copy}), 201)
        for copy in copies
    ]
    assert [one["decision"]["action"] for one in uploads] == ["review"] * 4
    queue = ok(ann.get("/reviews"))
    assert (queue["total"], [one["upload"] for one in queue["reviews"]]) == (4, [one["id"] for one in uploads])
    assert queue["reviews"][0]["query"] == hashlib.sha256(copies[0]).hexdigest()
    assert queue["reviews"][0]["matched"]["key"] == "case-1"

    # The lead assigns one, ann claims the next that is free; each keeps the other away.
    first = queue["reviews"][0]["id"]
    ok(lead.patch(f"/reviews/{first}", json={"assignee": "lead"}))
    claimed = ok(ann.post("/reviews/claim", json={"seconds": 1.0}))
    assert (claimed["id"], claimed["claimed_by"]) == (queue["reviews"][1]["id"], "ann")
    assert lead.post(f"/reviews/{claimed['id']}/verdict", json={"verdict": "deny"}).json()["code"] == "review_conflict"
    assert ok(ann.get("/reviews", params={"mine": True}))["total"] == 1
    until(lambda: ok(ann.get("/reviews", params={"claim": "claimed"}))["total"] == 0, 5)  # the claim times out

    # One is confirmed, three are denied: the item goes to quarantine and opens no review any more.
    confirmed = ok(lead.post(f"/reviews/{first}/verdict", json={"verdict": "confirm", "reason": "the same"}))
    assert (confirmed["state"], confirmed["outcome"], confirmed["closed_by"]) == ("closed", "confirm", "lead")
    for one in queue["reviews"][1:]:
        ok(ann.post(f"/reviews/{one['id']}/verdict", json={"verdict": "deny", "reason": "a meme"}))
    assert ok(ann.get(f"/images/{item}"))["reason"] == "3 matches were denied"
    again = ok(ann.post("/search", files={"file": recompressed(photos[0], 80)}))["items"][0]
    assert (again["decision"], ok(ann.get("/reviews"))["total"]) == (None, 0)
    assert ok(ann.get("/reviews", params={"state": "all", "list": "watch"}))["total"] == 4

    # Out of quarantine, and then its time is over.
    ok(ann.patch(f"/images/{item}", json={"quarantined": False, "expires": time.time() + 0.5}))
    expected = {
        "match.created": 4, "review.opened": 4, "review.closed": 4, "decision.created": 4,
        "item.quarantined": 1, "item.released": 1, "item.expired": 1,
    }  # fmt: skip
    until(lambda: len(receiver.unique()) >= sum(expected.values()))
    until(lambda: ok(lead.get("/webhooks/1"))["pending"] == 0)
    events = receiver.unique()
    assert {kind: sum(one.type == kind for one in events) for kind in expected} == expected
    assert len(events) == sum(expected.values())
    assert receiver.refused == []
    assert sum(receiver.attempts.values()) > len(events)  # half of the attempts fail
    of_item = [one.type for one in events]  # all are about one item: they came in their order
    assert of_item == [one["type"] for one in ok(lead.get("/webhooks/1/deliveries"))["deliveries"]]
    assert of_item[:2] == ["match.created", "review.opened"]
    assert of_item[-4:] == ["item.quarantined", "review.closed", "item.released", "item.expired"]
    metrics = lead.get("/metrics").text
    assert 'copysight_webhook_attempts_total{outcome="retry"}' in metrics
    assert "copysight_webhook_pending 0.0" in metrics

    # Replay: the same events with the same ids, none more.
    before = list(receiver.accepted)
    assert ok(lead.post("/webhooks/1/replay", json={"types": ["decision.created"]}), 202) == {"events": 4}
    until(lambda: ok(lead.get("/webhooks/1"))["pending"] == 0)
    replayed = receiver.accepted[len(before) :]
    assert [one.id for one in replayed] == [one.id for one in events if one.type == "decision.created"]

    # The record of it all.
    entries = ok(lead.get("/audit", params={"order": "oldest", "limit": 1000}))["entries"]
    counts = {name: sum(one["action"] == name for one in entries) for name in {one["action"] for one in entries}}
    assert counts == {
        "item.add": 5, "list.put": 1, "webhook.create": 1, "webhook.replay": 1, "review.assign": 1, "review.claim": 1,
        "review.close": 4, "decision.confirm": 1, "decision.deny": 3, "item.change": 2,
    }  # fmt: skip
    denied = [one for one in entries if one["action"] == "decision.deny"]
    assert {(one["by"], one["address"], *one["items"][0]) for one in denied} == {("ann", "127.0.0.1", item, item)}
    about = ok(lead.get("/audit", params={"item": item, "by": "lead"}))["entries"]
    assert {one["action"] for one in about} == {"decision.confirm", "review.close", "review.assign"}
    exported = CliRunner().invoke(main, ["audit", "export", "--index", str(directory)])
    assert len(exported.stdout.splitlines()) == len(entries)
    verified = CliRunner().invoke(main, ["audit", "verify", "--index", str(directory)])
    assert (verified.exit_code, f"{len(entries)} entries" in verified.stdout) == (0, True), verified.output
    assert entries[-1]["hash"] in verified.stdout


def test_webhooks_go_to_public_addresses_only(tmp_path, photos):  # noqa: F811
    Index.create(tmp_path / "index").close()
    with receiving(failing=0.0) as receiver:
        with serving(tmp_path / "index") as server:
            refused = server.http.post("/webhooks", json={"url": receiver.url})
            assert (refused.status_code, refused.json()["code"]) == (403, "url_refused")
            for url in ("http://169.254.169.254/latest", "http://[::1]/", "http://2130706433/", "file:///etc/passwd"):
                assert server.http.post("/webhooks", json={"url": url}).status_code in {400, 403}, url
        with serving(tmp_path / "index", webhook_networks="127.0.0.0/8") as server:
            receiver.secret = ok(server.http.post("/webhooks", json={"url": receiver.url}), 201)["secret"]
            assert ok(server.http.post("/webhooks/1/test"), 202) == {"event": 1}
            until(lambda: receiver.accepted)
            assert receiver.accepted[0].type == "webhook.test"
        # The setting counts at each attempt: what was allowed once need not be allowed now.
        with serving(tmp_path / "index", webhook_retry_seconds=0.02) as server:
            server.http.post("/webhooks/1/test")
            tried = until(lambda: [one for one in deliveries(server) if one["event"] == 2 and one["attempts"] >= 2])
            assert "not on the public internet" in tried[0]["error"]
            changed = ok(server.http.patch("/webhooks/1", json={"enabled": False, "note": "moved"}))
            assert (changed["enabled"], changed["note"], changed["pending"]) == (False, "moved", 1)
            assert "secret" not in changed
            assert server.http.delete("/webhooks/1").status_code == 204
            assert server.http.get("/webhooks/1").status_code == 404


def deliveries(server):
    return ok(server.http.get("/webhooks/1/deliveries"))["deliveries"]


def test_add_and_disable_count_within_a_second_from_another_process_too(tmp_path, photos):  # noqa: F811
    Index.create(tmp_path / "index").close()
    copy, delays = recompressed(photos[0]), []
    with serving(tmp_path / "index") as server, Index.open(tmp_path / "index") as other:
        ok(server.http.put("/lists/banned", json={"policy": "block"}), 201)

        def decided():
            return ok(server.http.post("/search", files={"file": copy}))["items"][0]["decision"] is not None

        number = ok(server.http.post("/images?collection=banned&key=a", files={"file": photos[0]}), 201)["id"]
        for turn in range(6):
            disabled = turn % 2 == 0
            began = time.monotonic()
            if turn < 2:
                ok(server.http.patch(f"/images/{number}", json={"disabled": disabled}))
            else:
                other.catalog.moderation.change(number, {"disabled": disabled}, "cron")
            until(lambda: decided() != disabled, 5)  # noqa: B023 - called at once
            delays.append(time.monotonic() - began)
        assert max(delays) < 1.0, delays
        other.delete([number])
        assert not decided()
