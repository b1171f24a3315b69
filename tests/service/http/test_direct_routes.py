"""Direct routes: repeated calls are answered, refused and logged like the first; a disconnect is not an error."""

import json
import time

import pytest
from fastapi import FastAPI, Query, Request
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse

from benchmarks.load import connected, post
from service.auth.keys import Keys
from service.http.direct_routes import MAX_CACHED, MAX_QUERY_BYTES, direct_routes
from tests.service.conftest import serving

JPEG = {"content-type": "image/jpeg"}


@pytest.mark.parametrize("call", ["/embed", "/embed?include=search,clusters&k=2", "/search?k=3&effort=low", "/search"])
def test_a_repeated_call_gives_the_same_answer(shared, pictures, call):
    picture = (pictures / "3.jpg").read_bytes()
    first, second = (shared.http.post(call, content=picture, headers=JPEG) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert [line["route"] for line in shared.lines(first, second)] == [call.partition("?")[0]] * 2


def test_a_repeated_bad_call_gives_the_same_error(shared, pictures):
    picture = (pictures / "3.jpg").read_bytes()
    for call, body, headers in (
        ("/search?k=0", picture, JPEG),
        ("/search?k=4&effort=none", picture, JPEG),
        ("/search?k=4", b"text", {"content-type": "text/plain"}),
        ("/embed?include=nothing", picture, JPEG),
        ("/embed", b"--", {"content-type": "multipart/form-data"}),
    ):
        answers = [shared.http.post(call, content=body, headers=headers) for _ in range(3)]
        assert len({(one.status_code, one.json()["code"], one.json()["detail"]) for one in answers}) == 1, call
        assert answers[0].status_code >= 400
    assert shared.http.post("/search?k=4", content=picture, headers=JPEG).status_code == 200


def test_every_call_needs_its_key(index, pictures):
    key, picture = Keys(index).add("reader", "read"), (pictures / "0.jpg").read_bytes()
    with serving(index, auth="keys") as server:
        shown = JPEG | {"X-API-Key": key}
        for _ in range(3):
            assert server.http.post("/search?k=1", content=picture, headers=shown).status_code == 200
            assert server.http.post("/search?k=1", content=picture, headers=JPEG).status_code == 401
        Keys(index).revoke(key.split("_")[1])
        assert server.http.post("/search?k=1", content=picture, headers=shown).status_code == 401


@pytest.mark.parametrize("call", ["/embed", "/search"])
def test_a_disconnect_within_the_body_is_logged_as_499(index, pictures, call):
    whole = post(call, (pictures / "3.jpg").read_bytes())
    with serving(index) as server:
        with connected(server.port) as peer:
            peer.sendall(whole[:-1])
        until = time.monotonic() + 10
        while not (lines := [line for line in server.log.read_text().splitlines() if '"status":499' in line]):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert [json.loads(line)["route"] for line in lines] == [call]
        assert '"trace"' not in server.log.read_text()


def test_the_cache_of_query_strings_is_bounded():
    app = FastAPI()
    read: list[int] = []

    @app.post("/double")
    async def double(request: Request, number: int = Query(1, ge=0)) -> JSONResponse:
        read.append(number)
        return JSONResponse({"path": request.url.path, "double": number * 2})

    [call] = direct_routes(app.routes).values()
    client = TestClient(call)
    for number in [*range(MAX_CACHED + 3), *range(MAX_CACHED + 3)]:
        assert client.post(f"/double?number={number}").json() == {"path": "/double", "double": number * 2}
        assert len(call._cached) <= MAX_CACHED
    assert client.post("/double?number=x").status_code == client.post("/double?number=x").status_code == 400
    cached = len(call._cached)
    client.post(f"/double?number=1&more={'y' * MAX_QUERY_BYTES}")
    assert len(call._cached) == cached
    assert len(read) == 2 * (MAX_CACHED + 3) + 1
