"""What is stored can be read back by every door, and what cannot is refused before it is stored."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copysight.client import Client, New, Refused
from copysight.errors import InvalidArgument
from copysight.index import Index, export_items, import_items
from index_builder.build import Plan, build
from index_builder.progress import Progress
from tests.service.conftest import Server, serving

LARGE = {
    "2^64": 2**64,
    "-2^63-1": -(2**63) - 1,
    "10^400": 10**400,
    "half a character": "\ud800",
    "nested": [{"a": [2**64]}],
    "deep": json.loads("[" * 60 + "]" * 60),
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory, drawn, jpeg, tiny_bundle) -> Path:
    folder = tmp_path_factory.mktemp("values")
    (folder / "pictures").mkdir()
    for seed in range(12):
        (folder / "pictures" / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    build(Plan(folder / "pictures", folder / "index", bundle=str(tiny_bundle.path), threads=1), Progress())
    with Index.open(folder / "index") as index:
        index.catalog.fields.declare("phash")
    return folder / "index"


@pytest.fixture(scope="module")
def server(directory) -> Iterator[Server]:
    with serving(directory) as server:
        yield server


@pytest.fixture(scope="module")
def picture(drawn, jpeg) -> bytes:
    return jpeg(drawn(50))


def sent(http: httpx.Client, method: str, path: str, body: Any) -> httpx.Response:
    """Send JSON as Python's `json` writes it: all digits, surrogates as escapes, NaN as a word."""
    return http.request(method, path, content=json.dumps(body), headers={"content-type": "application/json"})


def stored(http: httpx.Client) -> dict[int, Any]:
    return {item["id"]: item["metadata"] for item in http.get("/images?limit=1000").json()["items"]}


def check_readable(http: httpx.Client, picture: bytes) -> None:
    """Every call that reads what is stored answers 200 with JSON."""
    calls = [
        http.get("/images?limit=1000"),
        http.post("/search?k=100", files={"file": picture}),
        sent(http, "POST", "/search", {"ids": [1], "k": 100}),
        http.get("/clusters"),
        http.get("/index"),
        http.get("/jobs"),
        http.get("/metrics"),
        *(http.get(f"/images/{number}") for number in stored(http)),
        *(http.get(f"/clusters/{one['id']}") for one in http.get("/clusters").json()["clusters"]),
    ]
    for answer in calls:
        assert answer.status_code == 200, (answer.request.url, answer.text)
        answer.content.decode()  # UTF-8


@pytest.mark.reported("S2")
@pytest.mark.parametrize("value", LARGE.values(), ids=list(LARGE))
def test_a_value_that_cannot_be_answered_is_refused_by_every_call_and_nothing_is_stored(server, picture, value):
    http, before = server.http, stored(server.http)
    metadata = {"phash": value}
    image = base64.b64encode(picture).decode()
    line = json.dumps({"image": image, "key": "new", "metadata": metadata}) + "\n"
    answers = [
        sent(http, "PATCH", "/images/1", {"metadata": metadata}),
        sent(http, "POST", "/images", {"images": [image], "key": "new", "metadata": metadata}),
        http.post("/images", files={"file": picture}, data={"key": "new", "metadata": json.dumps(metadata)}),
        http.post("/images", params={"metadata": json.dumps(metadata), "key": "new"}, files={"file": picture}),
    ]
    for answer in answers:
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    lines = http.post("/images", content=line, headers={"content-type": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(one)["error"]["code"] for one in lines] == ["invalid_argument"]
    with Client(server.url) as client, pytest.raises((Refused, InvalidArgument)):
        client.add(New(picture, key="new", metadata=metadata))
    assert stored(http) == before
    check_readable(http, picture)


@pytest.mark.reported("S2")
def test_a_half_character_as_a_name_is_a_wrong_request_everywhere(server, picture):
    bad = "a\ud800b"
    cluster = server.http.get("/clusters").json()["clusters"][0]["id"]
    for method, path, body in (
        ("PATCH", "/images/1", {"metadata": {bad: 1}}),
        ("PATCH", f"/clusters/{cluster}", {"name": bad}),
        ("PATCH", f"/clusters/{cluster}", {"name": "a\0b"}),
        ("POST", "/index/rollback", {"to": bad}),
        ("POST", "/index/rebuild", {"bundle": bad}),
        ("POST", "/index/rebuild", {"bundle": "a\0b"}),
        ("POST", "/index/rebuild", {"bundle": "x" * 5000}),
        ("POST", "/search", {"ids": [1], "collection": bad}),
        ("POST", "/images", {"images": [""], "key": bad}),
    ):
        answer = sent(server.http, method, path, body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    check_readable(server.http, picture)


@pytest.mark.reported("S2")
def test_a_catalog_that_holds_such_values_is_read_listed_searched_exported_and_mended(
    tmp_path, directory, picture, tiny_bundle
):
    """An earlier version stored them. They are written to the catalog as it did."""
    poison = {number: {"phash": value, "more": ["\udfff", 1]} for number, value in enumerate(LARGE.values(), 1)}
    poison |= {7: {"\ud800": 1}, 8: {"n": float("nan"), "i": [float("inf")]}, 9: {"digits": 0}}
    with Index.open(directory) as index:
        copy = tmp_path / "copy"
        from copysight.index import backup

        backup(index, copy)
    with sqlite3.connect(copy / "catalog.sqlite") as connection:
        for number, metadata in poison.items():
            text = json.dumps(metadata) if number != 9 else '{"digits": 1' + "0" * 5000 + "}"
            connection.execute("UPDATE items SET metadata = ? WHERE id = ?", (text, number))
    connection.close()
    with serving(copy) as server:
        check_readable(server.http, picture)
        assert stored(server.http)[1]["phash"] == 2**64
        assert server.http.post("/index/rebuild", json={}).status_code == 202
    with Index.open(copy) as index:
        index.catalog.fields.declare("more")
        index.catalog.fields.remove("phash")
        index.catalog.fields.declare("phash")
        for name in ("out", "out.parquet"):
            assert export_items(index, tmp_path / name) == 12
    with serving(copy) as server:
        check_readable(server.http, picture)
        for number in poison:
            answer = sent(server.http, "PATCH", f"/images/{number}", {"metadata": {"phash": number}})
            assert answer.status_code == 200, answer.text
        assert stored(server.http) == {number: {"phash": number} if number in poison else {} for number in range(1, 13)}


@pytest.mark.reported("S11")
def test_integers_of_64_bits_come_back_with_every_digit(server, picture, tmp_path, directory, tiny_bundle):
    values = [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**60 + 1]
    image = base64.b64encode(picture).decode()
    for number, value in enumerate(values):
        metadata = {"phash": value, "list": [value]}
        key = {"key": f"n{number}", "collection": "numbers"}
        for body in (
            lambda: sent(server.http, "POST", "/images", {"images": [image], **key, "metadata": metadata}),  # noqa: B023
            lambda: sent(server.http, "PATCH", f"/images/{found['id']}", {"metadata": metadata}),  # noqa: B023
        ):
            found = body().json()
            assert json.dumps(found["metadata"]) == json.dumps(metadata)
    for value in values:
        [row] = sent(server.http, "POST", "/search", {"ids": [1], "k": 100, "filter": {"eq": ["phash", value]}}).json()[
            "items"
        ]
        assert [match["metadata"]["phash"] for match in row["matches"]] == [value]
    above = {"range": ["phash", 2**63, None]}
    [row] = sent(server.http, "POST", "/search", {"ids": [1], "k": 100, "filter": above}).json()["items"]
    assert sorted(match["metadata"]["phash"] for match in row["matches"]) == [2**63, 2**64 - 1]


@pytest.mark.reported("S11")
@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 1e300, 10**400], ids=["2^64", "-2^63-1", "1e300", "10^400"])
def test_a_filter_with_a_number_that_is_not_exact_is_refused(server, value):
    answer = sent(server.http, "POST", "/search", {"ids": [1], "filter": {"eq": ["phash", value]}})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


texts = st.one_of(st.text(), st.text(st.characters(categories=["Cs", "Cc", "Lu", "So"]), max_size=8))
numbers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53 + 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400, 1e308, -0.0, 5e-324]),
    st.floats(),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda part: st.one_of(st.lists(part, max_size=4), st.dictionaries(texts, part, max_size=4)),
    max_leaves=12,
)
documents = st.dictionaries(texts, anything, max_size=4)


class Doors:
    """Send documents through every call that stores something, and compare what is stored with what was taken."""

    def __init__(self, server: Server, picture: bytes, bundle: Path, room: Path) -> None:
        self.server, self.http, self.picture = server, server.http, picture
        self.image = base64.b64encode(picture).decode()
        self.bundle, self.room = bundle, room
        self.cluster = self.http.get("/clusters").json()["clusters"][0]["id"]
        self.taken: dict[str, Any] = {}
        self.name: str | None = None
        self.count = 0

    def __call__(self, document: dict[str, Any]) -> None:
        for door in (self.as_json, self.as_form, self.as_line, self.patched, self.by_client, self.imported):
            self.count += 1
            key = f"k{self.count}"
            if door(key, document):
                self.taken[key] = document
        self.named(document)

    def as_json(self, key: str, document: Any) -> bool:
        return self.answered(
            sent(self.http, "POST", "/images", {"images": [self.image], "key": key, "metadata": document})
        )

    def as_form(self, key: str, document: Any) -> bool:
        form = {"key": key, "metadata": json.dumps(document)}
        return self.answered(self.http.post("/images", files={"file": self.picture}, data=form))

    def as_line(self, key: str, document: Any) -> bool:
        line = json.dumps({"image": self.image, "key": key, "metadata": document}) + "\n"
        answer = self.http.post("/images", content=line, headers={"content-type": "application/x-ndjson"})
        assert answer.status_code == 200
        return "item" in answer.json()

    def patched(self, key: str, document: Any) -> bool:
        number = self.http.post("/images", params={"key": key}, files={"file": self.picture}).json()["id"]
        self.taken[key] = {}
        return self.answered(sent(self.http, "PATCH", f"/images/{number}", {"metadata": document}))

    def by_client(self, key: str, document: Any) -> bool:
        with Client(self.server.url) as client:
            try:
                client.add(New(self.picture, key=key, metadata=document))
            except Refused as error:
                assert error.data["status"] == 400, error  # noqa: PT017
                return False
            except InvalidArgument:
                return False
        return True

    def imported(self, key: str, document: Any) -> bool:

        import numpy as np

        source = self.room / f"import-{self.count}"
        source.mkdir()
        np.save(source / "vectors.npy", np.eye(1, 32, self.count % 32, dtype=np.float32))
        (source / "items.jsonl").write_text(json.dumps({"key": key, "metadata": document}) + "\n")
        with Index.open(self.server.index) as index:
            try:
                import_items(index, source)
            except InvalidArgument:
                return False
        return True

    def named(self, document: Any) -> None:
        for text in [*document, *(value for value in document.values() if isinstance(value, str))][:2]:
            if self.answered(sent(self.http, "PATCH", f"/clusters/{self.cluster}", {"name": text})):
                self.name = text
        for path, body in (
            ("/index/rollback", {"to": next(iter(document), "x")}),
            ("/index/rebuild", {"bundle": next(iter(document), "x") or "x"}),
            ("/index/rollback", document),
            ("/index/rebuild", {"bundle": document}),
        ):
            answer = sent(self.http, "POST", path, body)
            assert 400 <= answer.status_code < 500 or not document, (body, answer.text)

    def answered(self, answer: httpx.Response) -> bool:
        assert answer.status_code in {200, 201, 400}, answer.text
        if answer.status_code == 400:
            assert answer.headers["content-type"] == "application/problem+json"
            answer.content.decode()
        return answer.status_code != 400

    def check(self, http: httpx.Client) -> None:
        check_readable(http, self.picture)
        after, found = 0, {}
        while page := http.get("/images", params={"after": after, "limit": 1000}).json()["items"]:
            found |= {item["key"]: item["metadata"] for item in page}
            after = page[-1]["id"]
        for key, document in self.taken.items():
            assert exact(found[key]) == exact(document), key
        assert http.get(f"/clusters/{self.cluster}").json()["name"] == self.name


def exact(document: Any) -> str:
    """Sorted JSON. A pair of surrogates is one character in JSON, so a document is read back before it is sorted."""
    return json.dumps(json.loads(json.dumps(document)), sort_keys=True)


def all_doors(tmp_path: Path, drawn, jpeg, bundle: Path, count: int) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(6):
        (folder / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    directory = tmp_path / "index"
    build(Plan(folder, directory, bundle=str(bundle), threads=1), Progress())
    with serving(directory) as server:
        doors = Doors(server, jpeg(drawn(9)), bundle, tmp_path)

        @settings(max_examples=count, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(documents)
        def throw(document: dict[str, Any]) -> None:
            doors(document)

        throw()
        assert len(doors.taken) > count
        doors.check(server.http)
    with Index.open(directory) as index:
        for name in ("out", "out.parquet"):
            export_items(index, tmp_path / name)
            with Index.create(tmp_path / f"from-{name}", bundle) as again:
                assert import_items(again, tmp_path / name).conflicts == 0
                for item in index.catalog.page(limit=10**6):
                    same = again.catalog.find(item.collection, item.key)
                    assert exact(same.metadata) == exact(item.metadata)
        from index_builder.stages.publishing import rebuild

        rebuild(index, None, Progress())
    with serving(directory) as server:
        doors.cluster = server.http.get("/clusters").json()["clusters"][0]["id"]
        doors.name = server.http.get(f"/clusters/{doors.cluster}").json()["name"]
        doors.check(server.http)


@pytest.mark.reported("S2")
def test_arbitrary_json_thrown_at_every_call_is_refused_or_comes_back_unchanged(tmp_path, drawn, jpeg, tiny_bundle):
    all_doors(tmp_path, drawn, jpeg, tiny_bundle.path, 40)


@pytest.mark.long
@pytest.mark.reported("S2")
def test_a_thousand_documents_of_arbitrary_json_are_refused_or_come_back_unchanged(tmp_path, drawn, jpeg, tiny_bundle):
    all_doors(tmp_path, drawn, jpeg, tiny_bundle.path, 1000)
