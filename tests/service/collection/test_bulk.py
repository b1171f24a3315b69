"""Bulk add with NDJSON: a result for each line while the body arrives, errors for single lines, backpressure."""

import asyncio
import base64
import json
import socket

import pytest

from service.intake import ndjson
from service.intake.ndjson import Line, LineBuffer, split
from tests.service.conftest import serving

KIND = {"content-type": "application/x-ndjson"}


@pytest.fixture
def server(index):
    with serving(index, max_bytes=200_000, deadline=3) as running:
        yield running


def line(data: bytes, **fields) -> bytes:
    return json.dumps({"image": base64.b64encode(data).decode()} | fields).encode() + b"\n"


def results(answer) -> list[dict]:
    return [json.loads(one) for one in answer.text.splitlines()]


def test_each_line_has_its_result(server, drawn, jpeg):
    good = [jpeg(drawn(seed)) for seed in range(70, 110)]
    body = [line(data, key=f"bulk/{n}", metadata={"n": n}) for n, data in enumerate(good)]
    body[3:3] = [b"no json\n", b"\n", line(b"no picture"), b'{"key": "x"}\n', line(b"x" * 400_000)]
    body += [line(good[0], key="bulk/0"), line(good[1], key="bulk/0"), line(good[2], key="x" * 2000)]
    body += [line(good[3], metadata={"long": "x" * 2**17}), line(good[0], collection="tenant")]
    answer = server.http.post("/images", content=b"".join(body), headers=KIND)
    assert answer.status_code == 200
    found = results(answer)
    assert [one["line"] for one in found] == [n for n in range(1, len(body) + 1) if n != 5]
    by_line = {one["line"]: one for one in found}
    codes = {n: one["error"]["code"] for n, one in by_line.items() if "error" in one}
    bad = {4: "invalid_argument", 6: "unsupported_format", 7: "invalid_argument", 8: "body_too_large"}
    assert codes == bad | {47: "key_conflict", 48: "invalid_argument", 49: "invalid_argument"}
    assert by_line[46]["status"] == "unchanged"
    assert by_line[50]["item"]["collection"] == "tenant"
    assert sum(one.get("status") == "created" for one in found) == 41
    assert by_line[9]["item"]["metadata"] == {"n": 3}
    matches = server.http.post("/search", files={"file": good[9]}, params={"k": 1}).json()["items"][0]["matches"]
    assert matches[0]["key"] == "bulk/9"


def test_adding_the_same_lines_again_changes_nothing(server, drawn, jpeg):
    body = b"".join(line(jpeg(drawn(seed)), key=str(seed)) for seed in (120, 121))
    first, second = (results(server.http.post("/images", content=body, headers=KIND)) for _ in range(2))
    assert [one["status"] for one in first] == ["created", "created"]
    assert [one["status"] for one in second] == ["unchanged", "unchanged"]
    assert [one["item"]["id"] for one in first] == [one["item"]["id"] for one in second]


def test_results_arrive_while_the_body_is_still_sent(server, drawn, jpeg):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(b"POST /images?collection=slow HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n")
        wire.sendall(b"content-type: application/x-ndjson\r\n\r\n")
        for seed in (130, 131):
            data = line(jpeg(drawn(seed)), key=str(seed))
            wire.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            received = b""
            while b'"status":"created"' not in received:
                received += wire.recv(65536)
        # The body does not end: after the deadline the server sends an error and closes the connection.
        received = b""
        while part := wire.recv(65536):
            received += part
        assert b"deadline_exceeded" in received
    assert len(server.http.get("/images", params={"collection": "slow"}).json()["items"]) == 2


def test_a_bulk_body_may_exceed_the_limit_of_a_request(index, drawn, jpeg):
    data = jpeg(drawn(140))
    with serving(index, max_body=20_000) as server:
        body = b"".join(line(data, key=str(n)) for n in range(30))
        assert len(body) > 20_000
        assert [one["status"] for one in results(server.http.post("/images", content=body, headers=KIND))] == [
            "created"
        ] * 30
        assert server.http.post("/search", content=body, headers=KIND).status_code in (400, 413)


def test_the_sender_waits_while_the_buffer_is_full():
    async def read() -> tuple[int, list[Line], list[Line]]:
        given = 0

        async def parts():
            nonlocal given
            for _ in range(100):
                given += 1
                yield b"{}\n"

        buffer = LineBuffer(2**20)
        filling = asyncio.create_task(buffer.fill(split(parts(), 100, 5)))
        for _ in range(400):
            await asyncio.sleep(0)
        waiting = given
        taken, rest = await buffer.take(), []
        while more := await buffer.take():
            rest += more
        await filling
        return waiting, taken, rest

    waiting, taken, rest = asyncio.run(read())
    assert waiting == ndjson.MAX_LINES + 1
    assert len(taken) == ndjson.MAX_LINES
    assert [one.number for one in taken + rest] == list(range(1, 101))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_lines_do_not_depend_on_the_chunks_of_the_body(step):
    text = b"one\n\ntwo\r\n" + b"x" * 50 + b"\nlast"

    async def found() -> list[Line]:
        async def parts():
            for start in range(0, len(text), step):
                yield text[start : start + step]

        return [one async for one in split(parts(), 10, 5)]

    assert asyncio.run(found()) == [Line(1, b"one"), Line(3, b"two\r"), Line(4, None), Line(5, b"last")]
