"""Keys, collections, filters and paths that try an injection have no effect."""

import json
from urllib.parse import quote

import pytest

from copysight.index import Index
from tests.service.conftest import serving

NAMES = [
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "%2e%2e%2fetc%2fpasswd",
    "a/../../b",
    "x'; DROP TABLE items; --",
    '" OR "1"="1',
    "1) UNION SELECT key FROM items --",
    "%",
    "_",
    "{{7*7}}${7*7}",
    "<script>alert(1)</script>",
    "ключ-鍵-🔑",
    "a" * 1024,
]
OWN = {"catalog.sqlite-wal", "catalog.sqlite-shm", ".webhooks.lock"}
"""Files that a running server makes."""
INVISIBLE = ["null\0byte", "line\nbreak", "return\r\nSet-Cookie: a=b", "\u202egnp.exe", "tab\there", "", "a" * 1025]
TARGETS = ["../../etc", "/etc/passwd", "..", ".", "000001/../..", "CURRENT", "000001\n", "%2e%2e", ""]


@pytest.fixture(scope="module")
def server(tmp_path_factory, pictures, tiny_bundle):
    """A server with a declared field, whose collection these tests may change."""
    from index_builder.build import Plan, build
    from index_builder.progress import Progress

    directory = tmp_path_factory.mktemp("names") / "index"
    build(Plan(pictures, directory, bundle=str(tiny_bundle.path), threads=1), Progress())
    opened = Index.open(directory)
    opened.catalog.fields.declare("album")
    opened.close()
    with serving(directory) as server:
        yield server


@pytest.fixture
def picture(pictures):
    return (pictures / "0.jpg").read_bytes()


def tree(directory):
    """All files beside and above the index that a name could have created."""
    return {path for path in directory.parent.rglob("*") if not path.is_relative_to(directory / "blobs")}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_stored_unchanged(name, server, picture):
    """As key, collection and metadata: it comes back unchanged, only matches itself, and creates no file."""
    before = tree(server.index)
    short = name[:200]
    form = {"key": name, "collection": short, "metadata": json.dumps({"album": name})}
    added = server.http.post("/images", files={"file": picture}, data=form)
    assert added.status_code == 201, added.text
    item = added.json()
    assert (item["key"], item["collection"], item["metadata"]) == (name, short, {"album": name})
    found = server.http.get("/images", params={"key": name, "collection": short}).json()["items"]
    assert [one["id"] for one in found] == [item["id"]]
    fitting = {"filter": json.dumps({"eq": ["album", name]}), "k": 100}
    [answer] = server.http.post("/search", params=fitting, files={"file": picture}).json()["items"]
    assert [match["id"] for match in answer["matches"]] == [item["id"]], "a pattern or a quote widened the filter"
    assert server.http.get(f"/images/{item['id']}/thumbnail").headers["content-type"] == "image/jpeg"
    assert server.http.delete(f"/images/{item['id']}").status_code == 204
    assert server.http.get("/images").json()["items"], "the collection is still there"
    assert {path.name for path in tree(server.index) - before} <= OWN


@pytest.mark.parametrize("key", INVISIBLE, ids=ascii)
def test_a_key_with_invisible_characters_is_refused(key, server, picture):
    """An empty key is allowed; it stands for the sha256."""
    answer = server.http.post("/images", files={"file": picture}, data={"key": key, "collection": "hidden"})
    assert answer.status_code == (201 if key == "" else 400), answer.text


@pytest.mark.parametrize(
    "filter_",
    [
        {"eq": ["album'; DROP TABLE items; --", 1]},
        {"eq": ["sqlite_master", "x"]},
        {"eq": ["sha256", "0" * 64]},
        {"eq": ["key", ["0.jpg"]]},
        {"eq": ["album", {"$ne": None}]},
        {"eq": ["album", ["a"]]},
        {"raw": "1=1"},
        {"range": ["album", {"a": 1}, None]},
        {"and": [{"or": {"eq": ["album", 1]}}]},
        {"not": []},
        {"in": ["album", ["x"] * 100_000]},
        "1=1",
        [],
    ],
    ids=lambda one: json.dumps(one)[:40],
)
def test_a_bad_filter_is_refused(filter_, server, picture):
    ids = [server.http.get("/images").json()["items"][0]["id"]]
    answer = server.http.post("/search", json={"ids": ids, "filter": filter_})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert server.http.get("/readyz").status_code == 200


def test_a_deeply_nested_filter_is_refused(server):
    deep = b'{"ids": [1], "filter": ' + b'{"and": [' * 500 + b'{"eq": ["album", 1]}' + b"]}" * 500 + b"}"
    answer = server.http.post("/search", content=deep, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    bottomless = b'{"ids": [1], "filter": ' + b"[" * 200_000 + b"}"
    answer = server.http.post("/search", content=bottomless, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


DEEP = b"[" * 900 + b"]" * 900
DEEPEST = b"[" * 1020 + b"]" * 1020
"""As deep as the JSON parser accepts, and deeper than Python's ``repr`` allows."""


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/search", b'{"ids": [1], "collection": %b}' % DEEP),
        ("POST", "/search", b'{"ids": %b}' % DEEP),
        ("POST", "/search", b'{"vectors": %b}' % DEEP),
        ("POST", "/search", b'{"ids": [1], "k": %b}' % DEEP),
        ("POST", "/search", b'{"ids": [1], "k": "%b"}' % (b"9" * 9000)),
        ("POST", "/search", b'{"ids": [1], "filter": %b}' % DEEP),
        ("POST", "/search", b'{"ids": [1], "k": %b}' % DEEPEST),
        ("POST", "/search", b'{"ids": [1], "effort": %b}' % DEEPEST),
        ("POST", "/search", b'{"ids": [1], "min_probability": %b}' % DEEPEST),
        ("POST", "/search", b'{"ids": [1], "collection": %b}' % DEEPEST),
        ("POST", "/search", b'{"ids": [1], "filter": %b}' % DEEPEST),
        ("POST", "/search", b'{"ids": [1], "%b": 1}' % (b"x" * 100_000)),
        ("POST", "/images", b'{"images": ["AA=="], "replace": %b}' % DEEPEST),
        ("POST", "/images", b'{"images": ["AA=="], "key": %b}' % DEEPEST),
        ("POST", "/images", b'{"images": ["AA=="], "metadata": %b}' % DEEPEST),
        ("POST", "/search", b'{"vectors": [[1e39, 1]]}'),
        ("PATCH", "/images/1", b'{"metadata": {"a": %b}}' % DEEP),
        ("PATCH", "/images/1", b'{"metadata": {"a": %b%b}}' % (b"[" * 200, b"]" * 200)),
        ("PATCH", "/clusters/0", b'{"name": %b}' % DEEP),
        ("POST", "/index/rollback", b'{"to": %b}' % DEEP),
    ],
)
def test_extreme_json_values_are_refused(method, path, body, server):
    """Values that are nested too deep, or numbers with too many digits. Nothing is stored."""
    answer = server.http.request(method, path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert server.http.get("/images").status_code == 200


@pytest.mark.parametrize("target", TARGETS, ids=ascii)
def test_no_path_leads_to_another_directory(target, server):
    """Tried as a generation's name, a file of the page, and an item's number."""
    answer = server.http.post("/index/rollback", json={"to": target})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_generation")
    for path in (f"/ui/x{quote('/' + target, safe='')}", f"/images/x{quote('/' + target, safe='')}/thumbnail"):
        assert server.http.get(path).status_code in {307, 400, 404}
    assert server.http.get("/readyz").json()["generation"] == "000001"
