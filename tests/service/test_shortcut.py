"""A call whose options were read before is answered, refused and logged as the first one was."""

import json

import pytest
from fastapi import FastAPI, Query, Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse

from service.keys import Keys
from service.shortcut import KNOWN, LONGEST, Shortcut, short
from tests.service.conftest import serving

JPEG = {"content-type": "image/jpeg"}


@pytest.mark.parametrize("call", ["/embed", "/embed?include=search,clusters&k=2", "/search?k=3&effort=low", "/search"])
def test_the_second_answer_is_the_first(shared, pictures, call):
    picture = (pictures / "3.jpg").read_bytes()
    first, second = (shared.http.post(call, content=picture, headers=JPEG) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    lines = [json.loads(line) for line in shared.log.read_text().splitlines() if line.startswith("{")]
    by_id = {line.get("request"): line for line in lines}
    routes = [by_id[one.headers["x-request-id"]]["route"] for one in (first, second)]
    assert routes == [call.partition("?")[0]] * 2


def test_errors_are_those_of_the_first_time(shared, pictures):
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


def test_a_key_is_asked_for_each_time(index, pictures):
    key, picture = Keys(index).add("reader", "read"), (pictures / "0.jpg").read_bytes()
    with serving(index, auth="keys") as server:
        shown = JPEG | {"X-API-Key": key}
        for _ in range(3):
            assert server.http.post("/search?k=1", content=picture, headers=shown).status_code == 200
            assert server.http.post("/search?k=1", content=picture, headers=JPEG).status_code == 401
        Keys(index).revoke(key.split("_")[1])
        assert server.http.post("/search?k=1", content=picture, headers=shown).status_code == 401


def test_so_many_query_strings_are_remembered():
    app = FastAPI()
    read: list[int] = []

    @app.post("/double")
    @short
    async def double(request: Request, number: int = Query(1, ge=0)) -> JSONResponse:
        read.append(number)
        return JSONResponse({"path": request.url.path, "double": number * 2})

    shortcut = Shortcut(app, [route for route in app.routes if isinstance(route, APIRoute)])
    client = TestClient(shortcut)
    for number in [*range(KNOWN + 3), *range(KNOWN + 3)]:
        assert client.post(f"/double?number={number}").json() == {"path": "/double", "double": number * 2}
        assert len(shortcut._known) <= KNOWN
    assert client.post("/double?number=x").status_code == client.post("/double?number=x").status_code == 422
    known = len(shortcut._known)
    client.post(f"/double?number=1&more={'y' * LONGEST}")
    assert len(shortcut._known) == known
    assert len(read) == 2 * (KNOWN + 3) + 1
