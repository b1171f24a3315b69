"""Both clients work with a real server, and handle one that is busy, broken or not Copysight."""

import asyncio
import inspect
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from copysight import client as package
from copysight.catalog.outbox.webhooks import signature
from copysight.client import (
    AsyncClient,
    BadSignature,
    Client,
    ClusterMove,
    Fault,
    ListPolicy,
    New,
    Options,
    Refused,
    Retries,
    ServerUnreachable,
    WebhookEvent,
    calls,
    desk_calls,
)
from copysight.client.retries import seconds
from service.auth.keys import Keys
from tests.service.conftest import PICTURES, serving

QUICK = Retries(attempts=3, first=0.01)


@pytest.fixture
def client(shared) -> Iterator[Client]:
    with Client(shared.url) as made:
        yield made


def test_pictures_can_be_paths_bytes_or_pil_images(client, pictures):
    path = pictures / "0.jpg"
    with Image.open(path) as opened:
        forms = [path, str(path), path.read_bytes(), opened.convert("RGB")]
        vectors = client.embed(forms).array()
    assert vectors.shape == (4, client.index().everything["bundle"]["dimension"])
    np.testing.assert_allclose(vectors, np.repeat(vectors[:1], 4, axis=0), atol=1e-6)


def test_search_by_picture_item_and_vector(client, pictures):
    found = client.search([pictures / "3.jpg"], Options(k=2))
    [best, _] = found.items[0]
    assert (best.key, best.verdict) == ("3.jpg", "exact")
    assert found.generation == client.index().generation
    assert client.search_ids([best.id], Options(k=1)).items[0][0].id == best.id
    vectors = client.embed([pictures / "3.jpg"]).array()
    assert client.search_vectors(vectors, Options(k=1)).items[0][0].id == best.id
    assert client.search([pictures / "3.jpg"], Options(collection="nobody")).items == [[]]


def test_a_bad_picture_is_a_fault_among_good_ones(client, pictures):
    answer = client.embed([pictures / "0.jpg", b"no picture"])
    assert isinstance(answer.items[1], Fault)
    assert answer.items[1].code == "unsupported_format"
    with pytest.raises(Refused, match="picture 1"):
        answer.array()


def test_the_other_calls_return_typed_results(client, pictures, drawn):
    assert client.compare(pictures / "1.jpg", pictures / "1.jpg").verdict == "exact"
    [member] = client.assign([pictures / "1.jpg"])
    assert member.cluster.size > 0
    assert len(member.prototypes) == 5
    [seen] = client.attention([pictures / "1.jpg"], threshold=0.5)
    assert seen.maps.shape == seen.masks.shape
    assert client.attention_png(pictures / "1.jpg", head=0)[:4] == b"\x89PNG"
    with Image.open(BytesIO(client.thumbnail(1))) as small:
        assert small.format == "JPEG"
    assert client.whoami().scope == "admin"
    assert (client.ready().status, client.ready().generation) == ("ready", "000001")
    largest = client.clusters()[0]
    members = client.cluster(largest.id, limit=2)
    assert (members.size, len(members.items)) == (largest.size, min(2, largest.size))
    assert members.items[0].id == largest.representatives[0]
    assert [(job.kind, job.state) for job in client.jobs()] == [("build", "done")]
    assert [item.id for item in client.items()] == list(range(1, PICTURES + 1))


def test_items_can_be_added_changed_and_deleted(index, drawn):
    with serving(index) as server, Client(server.url) as client:
        made = client.add(New(drawn(60), key="a/b", metadata={"n": 1}))
        assert (made.status, client.item(made.item.id)) == ("created", made.item)
        assert client.add(New(drawn(60), key="a/b")).status == "unchanged"
        with pytest.raises(Refused) as caught:
            client.add(New(drawn(61), key="a/b"))
        assert (caught.value.status, caught.value.reason) == (409, "key_conflict")
        assert client.add(New(drawn(61), key="a/b"), replace=True).status == "replaced"
        many = [New(drawn(seed), key=f"many/{seed}", collection="bulk") for seed in range(100, 170)]
        many[5] = New(b"nothing", key="bad")
        results = list(client.add_many(many))
        assert [place for place, one in enumerate(results) if isinstance(one, Fault)] == [5]
        assert len(results) == 70
        assert len(list(client.items("bulk"))) == 69
        assert client.set_metadata(made.item.id, {"n": 2}).metadata == {"n": 2}
        number = client.clusters()[0].id
        assert client.name_cluster(number, "shapes").name == client.clusters()[0].name == "shapes"
        [member] = client.cluster(number, limit=1).items
        done = client.move_pictures([ClusterMove([member.id], "new")])
        assert client.cluster(int(done.moves[0].to or 0)).items[0].id == member.id
        assert client.move_pictures(done.before).moves == [ClusterMove([member.id], None)]
        assert client.cluster(number, limit=1).items[0].id == member.id
        assert client.reload().count == client.index().count
        with pytest.raises(Refused, match="cannot be loaded from the server's disk"):
            client.rebuild(bundle="/nowhere")
        client.delete(made.item.id)
        with pytest.raises(Refused, match="not_found"):
            client.item(made.item.id)


def test_the_async_client_searches_concurrently(shared, pictures):
    async def all_at_once():
        async with AsyncClient(shared.url) as client:
            found = await asyncio.gather(*(client.search([pictures / f"{n}.jpg"], Options(k=1)) for n in range(6)))
            return [one.items[0][0].key for one in found], [item.id async for item in client.items()]

    keys, ids = asyncio.run(all_at_once())
    assert keys == [f"{n}.jpg" for n in range(6)]
    assert len(ids) == PICTURES


def test_the_async_client_adds_pictures(index, drawn):
    async def add(url: str, key: str):
        async with AsyncClient(url, key) as client:
            results = [one async for one in client.add_many(New(drawn(seed), key=str(seed)) for seed in range(80, 84))]
            return [one.status for one in results], await client.whoami()

    with serving(index, auth="keys") as server:
        key = Keys(index).add("desk", "write")
        statuses, caller = asyncio.run(add(server.url, key))
        with Client(server.url) as nobody, pytest.raises(Refused, match="key_missing"):
            nobody.index()
    assert statuses == ["created"] * 4
    assert (caller.name, caller.scope) == ("desk", "write")


def test_reviews_webhooks_and_the_audit_trail(index, jpeg, drawn):
    with serving(index) as server, Client(server.url) as client:
        client.put_list(ListPolicy("watch", "review"))
        client.add(New(jpeg(drawn(500)), key="known", collection="watch"))
        client.add(New(jpeg(drawn(500)), key="again", collection="uploads"), match=True)
        assert client.next_review("other") is None
        mine = client.next_review("watch", seconds=60)
        assert mine is not None
        assert (mine.matched and mine.matched.key, mine.claimed_by) == ("known", "local")
        assert client.reviews(mine=True).total == 1
        assert client.release_review(mine.id).claimed_until is None
        assert client.assign_review(mine.id, "ann").assignee == "ann"
        assert client.claim_review(mine.id).claimed_by == "local"
        assert client.judge_review(mine.id, "deny", "a meme").outcome == "deny"
        assert client.review(mine.id).reason == "a meme"
        with pytest.raises(Refused, match="review_conflict"):
            client.judge_review(mine.id, "deny")
        assert client.webhooks() == []
        assert client.keys() == []
        found = client.audit(action="review", order="oldest", limit=2)
        assert [one.action for one in found.entries] == ["review.claim", "review.release"]
        assert found.next is not None


def test_webhooks_by_the_client(index):
    with serving(index, webhook_networks="127.0.0.1/32") as server, Client(server.url) as client:
        hook = client.create_webhook("http://127.0.0.1:9/", types=["item.released"], note="nobody listens")
        assert hook.secret is not None
        assert client.test_webhook(hook.id) == 1
        assert client.replay_webhook(hook.id) == 0
        assert [one.type for one in client.deliveries(hook.id, "pending").deliveries] == ["webhook.test"]
        assert client.change_webhook(hook.id, {"enabled": False}).pending == 1
        assert [one.secret for one in client.webhooks()] == [None]
        assert client.webhook(hook.id).note == "nobody listens"
        client.delete_webhook(hook.id)
        body = b'{"type": "item.released", "timestamp": "2026-11-28T12:00:00.000Z", "data": {"item": 1}}'
        sent = {"Webhook-Id": "msg_1", "Webhook-Timestamp": "1000"}
        sent["Webhook-Signature"] = f"v1,bad {signature(hook.secret, 'msg_1', 1000, body.decode())}"
        assert WebhookEvent.verified(hook.secret, sent, body, now=1200.0).data == {"item": 1}
        for secret, headers, now in ((hook.secret, sent, 1400.0), ("whsec_AAAA", sent, 1000.0), (hook.secret, {}, 0.0)):
            with pytest.raises(BadSignature):
                WebhookEvent.verified(secret, headers, body, now=now)


def test_every_endpoint_has_a_call(shared):
    """Except `/healthz` and `/metrics`, which are for monitoring, and the OpenAI format, which has its own client."""
    paths = shared.http.get("/openapi.json").json()["paths"]
    endpoints = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    source = inspect.getsource(calls) + inspect.getsource(desk_calls)
    made = {f"{method} {path}" for method, path in re.findall(r'Call\("([A-Z]+)", f?"([^"]+)"', source)}
    openai = {endpoint for endpoint in endpoints if " /v1/" in endpoint}
    assert endpoints - made - openai == {"GET /healthz", "GET /metrics"}
    assert made <= endpoints


def test_both_clients_have_the_same_methods():
    def public(kind) -> dict[str, list[str]]:
        named = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(one).parameters) for name, one in named if not name.startswith("_")}

    assert public(Client) == public(AsyncClient)
    assert set(package.__all__) == {name for name in vars(package) if name[0].isupper()}


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A socket server that sends these responses in turn. Yields its URL and the request lines that it received."""
    responses, requests = list(answers), []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            requests.append(self.rfile.readline())
            while self.rfile.readline().strip():
                pass
            self.wfile.write(responses.pop(0))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", requests
        finally:
            server.shutdown()
            thread.join()


def response(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


ME = response("200 OK", '{"name": "x", "scope": "read", "more": 1}')
BUSY = response("503 Busy", '{"code": "overloaded", "detail": "later"}', "retry-after: 0")
STRANGE = response("200 OK", "<html>")


def test_a_call_to_a_busy_server_is_retried():
    with scripted(BUSY, b"", ME) as (url, requests), Client(url, retries=QUICK) as client:
        assert client.whoami().name == "x"
        assert len(requests) == 3


def test_the_number_of_attempts_is_limited():
    with scripted(BUSY, BUSY, BUSY) as (url, requests), Client(url, retries=QUICK) as client:
        with pytest.raises(Refused, match="later"):
            client.whoami()
        assert len(requests) == 3


def test_a_call_fails_at_once_if_the_server_asks_for_a_too_long_pause():
    with scripted(BUSY.replace(b"retry-after: 0", b"retry-after: 999")) as (url, requests), Client(url) as client:
        with pytest.raises(Refused):
            client.whoami()
        assert len(requests) == 1


@pytest.mark.parametrize("call", [lambda client: client.delete(1), lambda client: client.rollback()])
def test_a_call_that_is_not_safe_to_repeat_is_not_retried(call):
    with scripted(b"", ME) as (url, requests), Client(url, retries=QUICK) as client:
        with pytest.raises(ServerUnreachable):
            call(client)
        assert len(requests) == 1


def test_a_response_that_is_not_from_copysight_is_an_error():
    with (
        scripted(STRANGE) as (url, _),
        Client(url) as client,
        pytest.raises(ServerUnreachable, match="not from Copysight"),
    ):
        client.whoami()
    bad = response("502 Bad Gateway", "<html>")
    with scripted(bad) as (url, _), Client(url) as client, pytest.raises(Refused, match="Bad Gateway"):
        client.whoami()


def test_a_missing_server_is_an_error():
    with (
        Client("http://127.0.0.1:1", retries=QUICK) as client,
        pytest.raises(ServerUnreachable, match="copysight serve"),
    ):
        client.whoami()


def test_pauses_double_and_follow_the_retry_after_header():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    retries = Retries(attempts=5, first=1.0, longest=30.0)
    assert [retries.pause(n, None, lambda: 1.0, now) for n in range(1, 6)] == [1.0, 2.0, 4.0, 8.0, None]
    assert retries.pause(3, None, lambda: 0.0, now) == 2.0
    assert retries.pause(1, "7", lambda: 0.5, now) == 7.0
    later = (now + timedelta(seconds=5)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert seconds(later, now) == 5.0
    assert seconds("soon", now) is None
