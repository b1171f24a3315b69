"""The log: no keys and no pictures; the trace of an unexpected error under the request id that the caller got."""

import base64
import sqlite3

from service.auth.keys import Keys
from tests.service.conftest import serving


def rename(index, old, new):
    with sqlite3.connect(index / "catalog.sqlite") as catalog:
        catalog.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_an_unexpected_error_is_a_problem_with_its_trace_in_the_log(index):
    """A missing table causes it: 500 with an id, the trace in the log under that id; the server goes on."""
    with serving(index) as server:
        rename(index, "jobs", "gone")
        answer = server.http.get("/jobs")
        rename(index, "gone", "jobs")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "gone" not in answer.text
        assert answer.headers["x-frame-options"] == "DENY"
        ours = server.lines(answer)
        assert [line["message"] for line in ours] == ["request failed", "request"]
        assert "no such table" in ours[0]["trace"]
        assert (ours[1]["status"], ours[1]["code"]) == (500, "internal_error")
        assert server.http.get("/jobs").status_code == 200


def test_no_log_line_holds_a_key_or_a_picture(index, drawn, jpeg):
    """Valid, wrong and damaged ones, in the right places and in wrong ones."""
    data = jpeg(drawn(90))
    text = base64.b64encode(data).decode()
    with serving(index, auth="keys") as server:
        key = Keys(index).add("desk", "admin")
        headers = {"Authorization": f"Bearer {key}"}
        http = server.http
        assert http.post("/images?key=a", files={"file": data}, headers=headers).status_code == 201
        http.post("/search", files={"file": data[:500]}, headers=headers)
        http.post("/search", json={"images": [text, text[:-3], f"data:image/jpeg;base64,{text}"]}, headers=headers)
        http.post("/search", json={"images": {"a": text}, "x": text}, headers=headers)
        http.post("/v1/embeddings", json={"input": [[text]], "encoding_format": text}, headers=headers)
        http.patch("/images/1", json={"metadata": text}, headers=headers)
        http.post("/images", content=text, headers=headers | {"content-type": "application/x-ndjson"})
        http.get("/images", params={"key": key, text[:60]: text[:60]}, headers=headers)
        http.get(f"/{key}/{text[:60]}")
        http.get("/index", headers={"Authorization": f"Bearer {key}x", "X-API-Key": key})
        http.get("/index", headers={"Authorization": key})
        rename(index, "jobs", "gone")
        assert http.get("/jobs", params={}, headers=headers).status_code == 500
        rename(index, "gone", "jobs")
    log = server.log.read_text()
    assert log.count('"message":"request"') > 10
    assert key.split("_", 2)[2] not in log
    for part in (text[:40], text[200:240], repr(data[:20])[2:-1], repr(data[200:220])[2:-1]):
        assert part not in log
