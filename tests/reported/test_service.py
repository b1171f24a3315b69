"""What users of the HTTP service reported: requests of other programs, proxies, read-only and full disks."""

import base64
import gzip
import json
import os
import sys
import textwrap
import zlib

import httpx
import openai
import pytest

from copysight.client import Client
from tests.service.conftest import http, index, origin, pictures, serving, shared  # noqa: F401 - fixtures

NAMESPACE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
TINY_TMP = 'mount -t tmpfs -o size=4k none "$1" && export TMPDIR="$1" && shift && exec "$@"'


def mounted(script, place):
    """Words in front of a command that run it in a mount namespace of its own."""
    return (*NAMESPACE, "bash", "-c", script, "bash", str(place))


@pytest.fixture(scope="module")
def picture(pictures):  # noqa: F811
    return (pictures / "3.jpg").read_bytes()


@pytest.fixture(scope="module")
def openai_client(shared):  # noqa: F811
    with openai.OpenAI(base_url=f"{shared.url}/v1", api_key="none", http_client=httpx.Client(trust_env=False)) as made:
        yield made


@pytest.mark.reported("S6")
def test_uploads_of_many_megabytes_work_while_the_temporary_folder_is_full(tmp_path, index, drawn, jpeg):  # noqa: F811
    large = [("file", jpeg(drawn(seed, (1100, 1100)), "BMP")) for seed in (70, 71)]  # 3.6 MB each
    (tmp_path / "tmp").mkdir()
    with serving(index, before=mounted(TINY_TMP, tmp_path / "tmp")) as server:
        answer = server.http.post("/embed", files=large)
        assert answer.status_code == 200, answer.text
        assert ["embedding" in one for one in answer.json()["items"]] == [True, True]
        assert server.http.post("/images", files=large[:1]).status_code == 201


@pytest.mark.reported("S8")
def test_every_write_to_a_read_only_index_says_so_and_reads_go_on(index, picture):  # noqa: F811
    lines = b"".join(
        json.dumps({"image": base64.b64encode(picture).decode(), "key": f"{n}"}).encode() + b"\n" for n in range(3)
    )
    with serving(index, before=mounted(READ_ONLY, index)) as server:
        ask = server.http
        writes = [
            ask.post("/images?key=new", files={"file": picture}),
            ask.post("/images?key=3.jpg&replace=true", files={"file": picture + b" "}),
            ask.patch("/images/1", json={"metadata": {"a": 1}}),
            ask.delete("/images/1"),
            ask.patch("/clusters/0", json={"name": "beaches"}),
            ask.post("/index/rebuild"),
            ask.post("/index/rollback", json={"to": "000001"}),
        ]
        assert [(one.status_code, one.json()["code"]) for one in writes] == [(503, "not_writable")] * len(writes)
        answer = ask.post("/images", content=lines, headers={"content-type": "application/x-ndjson"})
        told = [json.loads(line) for line in answer.text.splitlines()]
        assert [(one["line"], one["error"]["code"]) for one in told] == [(n, "not_writable") for n in (1, 2, 3)]
        assert ask.post("/index/reload").status_code == 200
        assert ask.post("/search", files={"file": picture}).json()["items"][0]["matches"][0]["key"] == "3.jpg"
        assert (ask.get("/readyz").status_code, ask.get("/jobs").status_code) == (200, 200)


@pytest.mark.reported("S12")
@pytest.mark.parametrize("path", ["/images/1/thumbnail", "/", "/docs", "/ui/page.css"])
def test_a_cache_that_weakens_or_lists_tags_gets_304(http, path):  # noqa: F811
    tag = http.get(path).headers["etag"].removeprefix("W/")
    known = [tag, f"W/{tag}", f'"a", W/{tag}', f'W/"a,b",{tag}', "*"]
    assert [http.get(path, headers={"if-none-match": one}).status_code for one in known] == [304] * len(known)
    assert http.head(path, headers={"if-none-match": tag}).status_code == 304
    others = ['"other"', 'W/"other"', tag.strip('"'), f'"x{tag[1:]}', '"*"']
    assert [http.get(path, headers={"if-none-match": one}).status_code for one in others] == [200] * len(others)


@pytest.mark.reported("S12")
def test_a_star_does_not_hide_that_an_item_is_missing(http):  # noqa: F811
    assert http.get("/images/999/thumbnail", headers={"if-none-match": "*"}).status_code == 404


FORMS = {
    "line breaks": lambda data: "\r\n".join(textwrap.wrap(base64.b64encode(data).decode(), 76)) + "\r\n",
    "URL-safe alphabet": lambda data: base64.urlsafe_b64encode(data).decode(),
    "no padding": lambda data: base64.b64encode(data).decode().rstrip("="),
    "URL-safe, no padding": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "capitals": lambda data: f"DATA:IMAGE/JPEG;BASE64,{base64.b64encode(data).decode()}",
    "parameters": lambda data: f"data:image/jpeg;name=a.jpg;base64,\n{base64.b64encode(data).decode()}",
    "percent-encoded": lambda data: f"data:;base64,{base64.b64encode(data).decode()}".replace("+", "%2B"),
}


@pytest.mark.reported("S13")
@pytest.mark.parametrize("form", FORMS)
def test_base64_is_read_as_programs_write_it_in_every_call(http, openai_client, picture, form):  # noqa: F811
    # Three lengths, so that the base64 needs no, one and two characters of padding. What follows a JPEG is ignored.
    for data in (picture, picture + b"\xff", picture + b"\xff\xfe"):
        text = FORMS[form](data)
        found = http.post("/search", json={"images": [text]}).json()["items"][0]
        assert found["matches"][0]["key"] == "3.jpg", found
        assert len(openai_client.embeddings.create(model="copysight", input=text).data) == 1
        lines = json.dumps({"image": text, "key": "3.jpg"}) + "\n"
        answer = http.post("/images", content=lines, headers={"content-type": "application/x-ndjson"}).json()
        assert answer.get("status") == "unchanged" or answer["error"]["code"] == "key_conflict"


@pytest.mark.reported("S15")
def test_openai_clients_may_send_null_list_models_and_read_the_reason_of_an_error(shared, openai_client, picture):  # noqa: F811
    text = base64.b64encode(picture).decode()
    body = {"input": text, "model": "copysight", "encoding_format": None, "dimensions": None, "user": None}
    answer = shared.http.post("/v1/embeddings", json=body).json()
    assert isinstance(answer["data"][0]["embedding"][0], float)
    assert [one.id for one in openai_client.models.list()] == ["copysight", "tiny"]
    assert openai_client.models.retrieve("tiny").owned_by == "copysight"
    with pytest.raises(openai.NotFoundError, match="got the model 'gpt-4'"):
        openai_client.models.retrieve("gpt-4")
    with pytest.raises(openai.BadRequestError, match=r"got the model 'gpt-4'; this server has 'tiny'") as caught:
        openai_client.embeddings.create(model="gpt-4", input=text)
    assert (caught.value.code, caught.value.param, caught.value.type) == (
        "invalid_argument", "model", "invalid_request_error",
    )  # fmt: skip
    with pytest.raises(openai.UnprocessableEntityError, match=r"input\[1\]: "):
        openai_client.embeddings.create(model="copysight", input=[text, base64.b64encode(picture[:400]).decode()])


@pytest.mark.reported("S15")
def test_every_error_below_v1_has_the_shape_of_openai_and_is_still_a_problem(http):  # noqa: F811
    answers = [
        http.get("/v1/unknown"), http.put("/v1/embeddings"), http.post("/v1/embeddings", content=b"{"),
        http.post("/v1/embeddings", json={"input": 5}), http.get("/v1/models/none"), http.get("/v1/models?a=b"),
    ]  # fmt: skip
    assert [one.status_code for one in answers] == [404, 405, 400, 400, 404, 400]
    for answer in answers:
        told = answer.json()
        assert set(told["error"]) == {"message", "type", "param", "code"}
        assert (told["error"]["message"], told["error"]["code"]) == (told["detail"], told["code"])
        assert answer.headers["content-type"] == "application/problem+json"
    assert "error" not in http.get("/unknown").json()


@pytest.mark.reported("S15")
def test_a_server_with_keys_tells_openai_clients_what_is_missing(index):  # noqa: F811
    with (
        serving(index, auth="keys") as server,
        openai.OpenAI(
            base_url=f"{server.url}/v1", api_key="wrong", http_client=httpx.Client(trust_env=False)
        ) as client,
        pytest.raises(openai.AuthenticationError, match="may have been revoked"),
    ):
        client.models.list()


@pytest.mark.reported("S16")
@pytest.mark.parametrize("removed", [True, False], ids=["prefix removed by the proxy", "prefix left"])
def test_page_calls_and_locations_are_right_behind_a_prefix(index, picture, removed):  # noqa: F811
    with serving(index, root_path="/media/copysight/") as server:
        sent = "" if removed else "/media/copysight"
        added = server.http.post(f"{sent}/images?key=new", files={"file": picture})
        assert (added.status_code, added.headers["location"]) == (201, f"/media/copysight/images/{added.json()['id']}")
        assert server.http.get(added.headers["location"]).json()["key"] == "new"
        assert server.http.post(f"{sent}/index/rebuild").headers["location"].startswith("/media/copysight/jobs/")
        for path in ("/", "/docs", "/ui/page.js", "/openapi.json", "/readyz", "/images/1", "/images/1/thumbnail"):
            assert server.http.get(sent + path).status_code == 200, path
        assert server.http.get(f"{sent}/openapi.json").json()["servers"] == [{"url": "/media/copysight"}]
        assert 'href="ui/page.css"' in server.http.get(f"{sent}/docs").text  # no address that leaves the prefix
        assert server.http.get("/media/copysight").headers["location"] == "/media/copysight/"
        with Client(f"{server.url}{sent}") as client:
            assert client.search([picture]).items


@pytest.mark.reported("S16")
def test_a_prefix_is_believed_from_a_trusted_proxy_only(shared, index, picture):  # noqa: F811
    def location(server, prefix):
        answer = server.http.post("/images?key=3.jpg", files={"file": picture}, headers={"x-forwarded-prefix": prefix})
        return answer.headers["location"]

    own = location(shared, "")
    assert location(shared, "/photos") == f"/photos{own}"
    assert location(shared, "/a/, /b") == f"/a/b{own}"
    for bad in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/a/../b",
        "photos",
        "/a b",
        "/" + "a" * 300,
    ):
        assert location(shared, bad) == own
    with serving(index, trusted_proxies="10.0.0.0/8") as server:
        assert location(server, "/photos") == own


@pytest.mark.reported("S17")
def test_compressed_bodies_are_read_within_the_limits(index, picture):  # noqa: F811
    packed = {"content-type": "image/jpeg", "content-encoding": "gzip"}
    line = json.dumps({"image": base64.b64encode(picture).decode(), "key": "packed"}).encode() + b"\n"
    with serving(index, max_body=300_000) as server:
        ask = server.http
        whole = ask.post("/embed", content=picture, headers={"content-type": "image/jpeg"}).json()["items"]
        halves = gzip.compress(picture[:99]) + gzip.compress(picture[99:])
        for body in (gzip.compress(picture), halves):
            assert ask.post("/embed", content=body, headers=packed).json()["items"] == whole
        lines = packed | {"content-type": "application/x-ndjson"}
        assert ask.post("/images", content=gzip.compress(line), headers=lines).json()["status"] == "created"
        openai_body = gzip.compress(json.dumps({"input": base64.b64encode(picture).decode()}).encode())
        assert ask.post("/v1/embeddings", content=openai_body, headers=packed | {"content-type": "application/json"})
        refused = {
            "body_too_large": gzip.compress(bytes(10**8)),
            "invalid_argument": gzip.compress(picture)[:-20],
        }
        for code, body in refused.items():
            assert ask.post("/embed", content=body, headers=packed).json()["code"] == code
        assert ask.post("/embed", content=picture, headers=packed).json()["code"] == "invalid_argument"
        for other in ("br", "zstd", "gzip, gzip"):
            answer = ask.post("/embed", content=zlib.compress(picture), headers=packed | {"content-encoding": other})
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")
            assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.reported("S17")
def test_with_64_files_a_request_gets_an_answer_that_says_what_to_do(index):  # noqa: F811
    few = ("bash", "-c", 'ulimit -n 64; exec "$@"', "bash")
    with serving(index, before=few) as server:
        many = [httpx.Client(base_url=server.url, timeout=20) for _ in range(60)]
        codes = set()
        for client in many:
            try:
                answer = client.get("/index")
            except httpx.TransportError:  # no file is left to accept the connection
                continue
            if answer.status_code != 200:
                codes.add((answer.status_code, answer.json()["code"]))
                assert "ulimit -n" in answer.json()["detail"]
        for client in many:
            client.close()
        assert codes <= {(503, "too_many_files"), (503, "not_writable")}
        log = server.log.read_text()
    assert "the limit of open files is 64" in log
    assert log.count("ulimit -n") >= 2
    assert sys.platform == "linux"
