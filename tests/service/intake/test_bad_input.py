"""Bad pictures, requests and settings get a clear error and do not affect others."""

import socket
import time

import pytest
from PIL import Image

from copysight.errors import BundleMismatch, InvalidArgument
from service.cli import open_or_create, read_settings
from tests.copysight.pictures.test_decode import bomb
from tests.service.conftest import serving

CASES = {
    "empty": (b"", "empty_picture", 400),
    "text": (b"hello, I am no picture", "unsupported_format", 415),
    "pdf": (b"%PDF-1.7 ".ljust(200), "unsupported_format", 415),
    "bomb": (bomb(60_000), "too_many_pixels", 413),
}


@pytest.fixture
def bad(jpeg, drawn):
    whole = jpeg(drawn(1))
    return CASES | {
        "truncated": (whole[: len(whole) // 2], "corrupt_picture", 422),
        "1x1": (jpeg(Image.new("RGB", (1, 1)), "PNG"), "picture_too_small", 422),
    }


@pytest.mark.parametrize("name", ["empty", "text", "pdf", "bomb", "truncated", "1x1"])
def test_one_bad_picture(name, bad, http):
    """The error belongs to the item, or to the request if it takes a single picture."""
    data, code, status = bad[name]
    raw = {"content": data, "headers": {"content-type": "image/jpeg"}}
    if name != "empty":
        [item] = http.post("/search", **raw).json()["items"]
        assert item["error"]["code"] == code
    answer = http.post("/images?key=bad", files={"file": data})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert http.get("/images?key=bad").json()["items"] == []
    assert http.get("/readyz").status_code == 200


def test_bad_pictures_do_not_affect_good_ones(bad, http, pictures):
    """Three bad pictures among thirty good ones: thirty correct answers and three clear errors."""
    good = [(pictures / f"{number % 12}.jpg").read_bytes() for number in range(30)]
    alone = [http.post("/embed", files={"file": data}).json()["items"][0]["embedding"] for data in good[:12]]
    mixed = list(good)
    for place, name in ((3, "1x1"), (11, "bomb"), (20, "truncated")):
        mixed.insert(place, bad[name][0])
    items = http.post("/embed", files=[("file", data) for data in mixed]).json()["items"]
    assert [items[place]["error"]["code"] for place in (3, 11, 20)] == [
        "picture_too_small",
        "too_many_pixels",
        "corrupt_picture",
    ]
    rest = [item["embedding"] for item in items if "error" not in item]
    assert rest == [alone[number % 12] for number in range(30)]


@pytest.mark.parametrize(
    ("path", "request_", "status", "code"),
    [
        ("/search", {"content": b"x", "headers": {"content-type": "text/plain"}}, 400, "invalid_argument"),
        ("/search", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "invalid_argument"),
        ("/embed", {"json": {"images": []}}, 400, "invalid_argument"),
        ("/embed", {"files": {"picture": b"x"}}, 400, "invalid_argument"),
        ("/images?metadata=[1]", {"files": {"file": b"x"}}, 400, "invalid_argument"),
        ("/search?k=0", {"files": {"file": b"x"}}, 400, "invalid_argument"),
        ("/search?filter={", {"files": {"file": b"x"}}, 400, "invalid_argument"),
        ("/nowhere", {}, 404, "not_found"),
        ("/index", {}, 405, "method_not_allowed"),
    ],
)
def test_a_bad_request_is_refused(path, request_, status, code, http):
    answer = http.post(path, **request_)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_over_the_limit_is_refused_while_it_arrives(index):
    with serving(index, max_body=100_000) as server:
        answer = server.http.post("/embed", files={"file": b"x" * 300_000})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        too_many = [("file", b"x")] * 65
        assert server.http.post("/embed", files=too_many).json()["code"] == "invalid_argument"


def test_the_memory_of_all_bodies_is_limited(index, pictures):
    """Two unfinished bodies use up the limit: a third gets 503, and succeeds after they disconnect."""
    head = b"POST /embed HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/jpeg\r\ncontent-length: 99000\r\n\r\n"
    files = {"file": (pictures / "0.jpg").read_bytes()}
    with serving(index, max_body=100_000, max_bodies=120_000) as server:

        def post_beside(*sizes):
            holders = [socket.create_connection(("127.0.0.1", server.port)) for _ in sizes]
            for holder, size in zip(holders, sizes, strict=True):
                holder.sendall(head + b"x" * size)
            for _ in range(5):  # after these the server has read the bodies above
                server.http.get("/healthz")
            answer = server.http.post("/embed", files=files)
            for holder in holders:
                holder.close()
            return answer

        refused = next(answer for _ in range(20) if (answer := post_beside(60_000, 59_900)).status_code == 503)
        assert refused.json()["code"] == "overloaded"
        assert refused.headers["retry-after"]
        for _ in range(5):
            assert post_beside(60_000).status_code == 200, "the memory of closed requests is released"


def test_a_full_queue_answers_503_with_retry_after(index, pictures):
    """A queue of one, one runner, many concurrent requests: some are refused, none is lost, the server recovers."""
    from concurrent.futures import ThreadPoolExecutor

    data = (pictures / "0.jpg").read_bytes()
    with serving(index, queue=1, runners=1) as server:

        def ask(_):
            return server.http.post("/embed", files=[("file", data)] * 16)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(48)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {200, 503}
        assert all(answer.json()["code"] == "overloaded" and answer.headers["retry-after"] for answer in refused)
        assert all(len(answer.json()["items"]) == 16 for answer in answers if answer.status_code == 200)
        assert server.http.get("/readyz").status_code == 200


def test_a_request_over_its_deadline_gets_504(index, jpeg, drawn):
    """Decoding sixty-four large pictures takes a few hundred milliseconds."""
    data = jpeg(drawn(1, (2000, 1500)))
    with serving(index, deadline=0.05, max_items=64) as server:
        answer = server.http.post("/embed", files=[("file", data)] * 64)
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        assert server.http.get("/healthz").status_code == 200


def test_pictures_of_disconnected_clients_leave_the_queue(shared, pictures):
    data = (pictures / "0.jpg").read_bytes()
    head = f"POST /embed HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/jpeg\r\ncontent-length: {len(data)}\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", shared.port)) as connection:
            connection.sendall(head.encode() + data)
    for _ in range(50):
        if "copysight_queue_pictures 0.0" in shared.http.get("/metrics").text:
            break
        time.sleep(0.05)
    assert "copysight_queue_pictures 0.0" in shared.http.get("/metrics").text
    assert shared.http.post("/embed", files={"file": data}).status_code == 200


def test_a_stopping_server_finishes_admitted_requests(index, pictures):
    from concurrent.futures import ThreadPoolExecutor

    data = (pictures / "0.jpg").read_bytes()
    with serving(index, runners=1) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lambda: server.http.post("/embed", files=[("file", data)] * 64))
        for _ in range(200):
            if "copysight_queue_pictures 0.0" not in server.http.get("/metrics").text:
                break
            time.sleep(0.01)
        server.process.terminate()
        assert len(answer.result().json()["items"]) == 64
        assert server.process.wait(timeout=30) in {0, -15}


def test_an_index_of_another_bundle_is_refused(index, tmp_path, tiny_bundle):
    import json
    import shutil

    other = shutil.copytree(tiny_bundle.path, tmp_path / "other")
    description = other / "bundle.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"name": "other"}))
    with pytest.raises(BundleMismatch, match="made with the bundle 'tiny'"):
        open_or_create(read_settings({"index": str(index), "bundle": str(other)}))
    open_or_create(read_settings({"index": str(index), "bundle": str(tiny_bundle.path)})).close()


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="port"):
        read_settings({"port": "many"})
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidArgument, match="holds other files"):
        open_or_create(read_settings({"index": str(tmp_path)}))


def test_a_missing_directory_becomes_an_empty_index(tmp_path, tiny_bundle, pictures):
    with serving(tmp_path / "new", bundle=tiny_bundle.path) as server:
        status = server.http.get("/index").json()
        assert (status["count"], status["generation"]) == (0, None)
        data = (pictures / "0.jpg").read_bytes()
        assert server.http.post("/search", files={"file": data}).json()["items"] == [{"matches": []}]
        assert server.http.post("/clusters", files={"file": data}).json()["items"][0]["cluster"] is None
        assert server.http.get("/readyz").json()["status"] == "ready"
