"""Search depth: a picture inside another one is found, and the answer says where."""

import pytest
from PIL import Image, ImageDraw

from copysight.client import Client, Options
from tests.service.conftest import PICTURES


@pytest.fixture(scope="module")
def screen(drawn, jpeg):
    """Picture 3 of the collection on a page."""
    page = Image.new("RGB", (500, 700), (244, 245, 247))
    ImageDraw.Draw(page).rectangle((30, 60, 300, 80), fill=(120, 120, 120))
    page.paste(drawn(3).resize((320, 240)), (90, 200))
    return jpeg(page)


def found(server, data, key, **params):
    """The match of the item ``key``."""
    params = {"k": 100} | params
    answer = server.http.post("/search", content=data, headers={"content-type": "image/jpeg"}, params=params)
    matches = answer.raise_for_status().json()["items"][0]["matches"]
    assert [match["score"] for match in matches[1:]] == sorted((match["score"] for match in matches[1:]), reverse=True)
    return next(match for match in matches if match["key"] == key)


def test_a_picture_inside_a_page_is_found(shared, screen):
    whole = found(shared, screen, "3.jpg", effort="low")
    part = found(shared, screen, "3.jpg")
    assert whole["where"] is None
    assert part["similarity"] > max(0.9, whole["similarity"])
    left, top, right, bottom = part["where"]["region"]
    assert (left * 500, top * 700, right * 500, bottom * 700) == pytest.approx((90, 200, 410, 440), abs=12)
    assert found(shared, screen, "3.jpg", effort="normal") == part


def test_a_turned_picture_is_found(shared, drawn, jpeg):
    turned = {f"{seed}.jpg": jpeg(drawn(seed).rotate(270, expand=True)) for seed in range(PICTURES)}
    whole = {key: found(shared, data, key, effort="low")["similarity"] for key, data in turned.items()}
    key = min(whole, key=whole.__getitem__)
    assert whole[key] < 0.9
    match = found(shared, turned[key], key, effort="high")
    assert match["where"] == {"region": None, "turn": 90}
    assert match["similarity"] > 0.99


def test_the_same_file_is_exact_with_every_effort(shared, drawn, jpeg):
    for effort in ("low", "normal", "high"):
        match = found(shared, jpeg(drawn(7)), "7.jpg", k=1, effort=effort)
        assert (match["verdict"], match["similarity"], match["where"]) == ("exact", 1.0, None)


def test_compare_says_which_picture_holds_the_other(shared, screen, drawn, jpeg):
    with Client(shared.url) as client:
        picture = jpeg(drawn(3).resize((320, 240)))
        for place, pair in ((2, (picture, screen)), (1, (screen, picture))):
            answer = client.compare(*pair)
            assert answer.where["picture"] == place
            assert answer.similarity > 0.9
        assert client.compare(picture, screen, effort="low").where is None
        assert client.compare(screen, screen).where is None
        [matches] = client.search([screen], Options(effort="high")).items
        assert any(match.where and match.where["region"] for match in matches)


def test_an_unknown_effort_is_refused(shared, screen):
    answer = shared.http.post("/search?effort=most", content=screen, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 400
    assert "low" in answer.text
    answer = shared.http.post("/search", json={"ids": [1], "effort": "most"})
    assert answer.status_code == 400
    assert "use one of low, normal, high" in answer.json()["detail"]
