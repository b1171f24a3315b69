"""``GET /images`` by parts of names and sorted, through the client: the same as a plain loop over all items."""

import pytest

from copysight.client import Client
from copysight.index import Index
from tests.service.conftest import serving

NAMES = ("b/Beach 1.jpg", "a/beach_2.jpg", "a/100%.jpg", "Ärger.jpg", "c/sea.png")


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_bundle, drawn, jpeg):
    directory = tmp_path_factory.mktemp("listing") / "index"
    Index.create(directory, tiny_bundle.path).close()
    with serving(directory) as running:
        for number, name in enumerate(NAMES):
            size = (60 + 10 * number, 50)
            file = jpeg(drawn(number, size), quality=95 - 15 * number)
            running.http.post("/images", params={"key": name}, files={"file": file}).raise_for_status()
        yield running


@pytest.fixture
def client(server):
    with Client(server.url) as made:
        yield made


@pytest.mark.parametrize("text", ["beach", "BEACH", "_2", "%", "a/", ".jpg", "é"])
def test_a_text_is_found_within_names(client, text):
    found = [one.key for one in client.page(text=text).items]
    assert found == [name for name in NAMES if text.lower() in name.lower()]
    assert client.page(text=text, sort="id").total == len(found)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["id", "key", "bytes", "pixels"])
def test_items_are_sorted_and_cut_in_pages(client, sort, descending):
    everything = client.page().items
    values = {"id": lambda one: one.id, "key": lambda one: one.key, "bytes": lambda one: one.bytes}
    value = values.get(sort, lambda one: one.width * one.height)
    expected = [one.id for one in sorted(everything, key=value, reverse=descending)]
    pages = [client.page(sort=sort, descending=descending, offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    assert [one.id for page in pages for one in page.items] == expected
    assert {(page.total, page.next) for page in pages} == {(len(NAMES), None)}


def test_unknown_values_come_last(client):
    assert [one.key for one in client.page(sort="taken").items] == list(NAMES)
    assert [one.key for one in client.page(sort="taken", descending=True).items] == list(NAMES)


@pytest.mark.parametrize(
    "params", [{"descending": "true"}, {"offset": 1}, {"sort": "key", "after": 3}, {"text": "a", "state": "disabled"}]
)
def test_parameters_that_exclude_each_other_are_refused(server, params):
    assert server.http.get("/images", params=params).json()["code"] == "invalid_argument"


def test_wrong_texts_are_refused(server):
    assert server.http.get("/images", params={"text": "a\0b"}).status_code == 400
    assert server.http.get("/images", params={"text": "x" * 201}).status_code in (400, 422)
