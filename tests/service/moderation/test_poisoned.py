"""One poisoned item, a picture that everybody uploads, does not fill the review queue."""

import pytest

from tests.service.conftest import serving
from tests.service.moderation.test_scenario import ok

BATCH = 16


def with_comment(jpeg: bytes, number: int) -> bytes:
    """The same picture in another file: a JPEG with a comment."""
    text = f"upload {number}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


@pytest.mark.parametrize("queries", [160, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_poisoned_item_in_a_stream_costs_at_most_20_reviews(index, drawn, jpeg, queries):
    data = jpeg(drawn(700, (64, 48)))
    with serving(index) as server:
        item = ok(server.http.post("/images?collection=watch&key=meme", files={"file": data}), 201)["id"]
        ok(server.http.put("/lists/watch", json={"policy": "review"}), 201)
        reviewed = matched = 0
        for start in range(0, queries, BATCH):
            files = [("file", with_comment(data, start + number)) for number in range(BATCH)]
            found = ok(server.http.post("/search?k=1&effort=low", files=files))["items"]
            matched += sum(bool(one["lists"]) for one in found)
            reviewed += sum(one["decision"] is not None for one in found)
        assert matched == queries  # the item matches all of them
        queue = ok(server.http.get("/reviews?state=all&limit=1000"))
        assert 0 < queue["total"] <= 20
        assert reviewed <= 20 + BATCH
        held = ok(server.http.get(f"/images/{item}"))
        assert held["reason"] == "more than 20 pictures matched within an hour"
        events = ok(server.http.get("/audit?action=item.change"))["entries"]
        assert len(events) == 1
        print(f"{queries:,} queries, {queue['total']} reviews, {reviewed} answers with a decision")
