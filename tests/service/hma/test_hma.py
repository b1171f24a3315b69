"""The paths of HMA on a real server: the calls of ROOST Coop in their recorded shapes, and those of HMA's own API."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pdqhash
import pytest
from PIL import Image

from copysight.index import Index
from copysight.matching import pdq
from service.auth.keys import Keys
from tests.conftest import drawn_picture, encoded
from tests.index_builder.dedupe.test_command import photograph
from tests.service.conftest import serving

JSON = {"content-type": "application/json"}
BANK, RENAMED = "COOP_ORG1_BAD_THINGS", "COOP_ORG1_WORSE_THINGS"


def recompressed(data):
    with Image.open(io.BytesIO(data)) as picture:
        return encoded(picture.resize((400, 300)), quality=60)


def hex_pdq(data):
    """The hash as clients compute it with the same package, from the decoded file."""
    with Image.open(io.BytesIO(data)) as picture:
        bits, quality = pdqhash.compute(np.asarray(picture.convert("RGB")))
    assert quality >= pdq.MIN_QUALITY
    return f"{int(''.join(map(str, bits)), 2):064x}"


@pytest.fixture(scope="module")
def photos():
    return [encoded(photograph(number), quality=95) for number in range(4)]


@pytest.fixture(scope="module")
def site(photos):
    """A web site with the pictures /0.jpg, /1.jpg …"""

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self):
            data = photos[int(self.path[1])]
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory, site):
    directory = tmp_path_factory.mktemp("hma") / "index"
    Index.create(directory).close()
    port = site.rpartition(":")[2]
    with serving(directory, hma="true", fetch_hosts=f"127.0.0.1:{port}", fetch_networks="127.0.0.0/8") as running:
        running.http.timeout = 60
        yield running


@pytest.fixture
def http(server):
    """A client of a server without banks."""
    for bank in server.http.get("/c/banks").json():
        assert server.http.delete(f"/c/bank/{bank['name']}").status_code == 200
    return server.http


def send(http, method, path, body=None):
    """A call as Coop makes it: JSON in a text."""
    if body is None:
        return http.request(method, path)
    return http.request(method, path, content=json.dumps(body), headers=JSON)


def bank_of(http, name, *pictures):
    assert http.post("/c/banks", json={"name": name}).status_code == 201
    return [
        http.post(f"/c/bank/{name}/content", files={"photo": ("a.jpg", data, "image/jpeg")}).json() for data in pictures
    ]


def test_the_recorded_calls_of_coop(http, site, photos):
    assert send(http, "POST", "/c/banks", {"name": BANK, "enabled_ratio": "1"}).status_code == 201
    assert send(http, "GET", f"/c/bank/{BANK}").json() == {"name": BANK, "matching_enabled_ratio": 1.0}
    changed = send(http, "PUT", f"/c/bank/{BANK}", {"enabled_ratio": 0.5})
    assert (changed.status_code, changed.json()["matching_enabled_ratio"]) == (200, 0.5)
    assert send(http, "PUT", f"/c/bank/{BANK}", {"enabled_ratio": 1}).json()["matching_enabled_ratio"] == 1

    form = {"content_id": "case-1", "content_uri": "https://coop.example/1", "metadata": '{"why": "licence"}'}
    added = http.post(f"/c/bank/{BANK}/content", data=form, files={"photo": ("blob", photos[0], "image/jpeg")})
    assert (added.status_code, added.json()["signals"]["pdq"]) == (200, hex_pdq(photos[0]))
    query = {"url": f"{site}/1.jpg", "content_id": "case-2", "metadata": '{"why": "abuse"}'}
    fetched = http.post(f"/c/bank/{BANK}/content", params=query)
    assert fetched.status_code == 200, fetched.text

    hashed = http.get("/h/hash", params={"url": f"{site}/0.jpg"}).json()
    assert hashed["pdq"] == hex_pdq(photos[0])
    for signal_type, signal in hashed.items():  # Coop looks up each signal, and asks whether its bank is a key
        found = http.get("/m/lookup", params={"signal_type": signal_type, "signal": signal}).json()
        # The descriptor alone, without verification, also takes another drawing of the same kind for a copy.
        assert found[BANK][0]["bank_content_id"] == added.json()["id"]
        assert signal_type != "pdq" or len(found[BANK]) == 1
    stranger = http.get("/m/lookup", params={"signal_type": "pdq", "signal": hex_pdq(photos[3])}).json()
    assert stranger.get(BANK) is None
    by_url = http.get("/m/lookup", params={"url": f"{site}/1.jpg", "content_type": "photo"}).json()
    assert [one["bank_content_id"] for one in by_url["pdq"][BANK]] == [fetched.json()["id"]]

    assert send(http, "GET", "/c/exchanges/apis").json() == []
    assert send(http, "GET", f"/c/exchange/{BANK}").status_code == 404
    assert send(http, "GET", "/c/exchanges/api/ncmec/schema").status_code == 404
    refused = send(http, "POST", "/c/exchanges", {"bank": BANK, "api": "ncmec", "api_json": {}})
    assert refused.status_code == 400

    assert send(http, "POST", "/c/banks", {"name": RENAMED, "enabled_ratio": "1"}).status_code == 201
    assert send(http, "DELETE", f"/c/bank/{BANK}").json() == {"message": "Done"}
    gone = send(http, "GET", f"/c/bank/{BANK}")
    assert (gone.status_code, gone.json()["message"]) == (404, f"bank '{BANK}' not found")
    assert http.get("/m/lookup", params={"signal_type": "pdq", "signal": hashed["pdq"]}).json() == {}


def test_a_file_is_looked_up_by_both_signals(http, photos):
    [one, _] = bank_of(http, "BAD", *photos[:2])
    copy = recompressed(photos[0])
    found = http.post("/m/lookup", files={"photo": copy}).json()
    assert {kind: [hit["bank_content_id"] for hit in banks["BAD"]] for kind, banks in found.items()} == {
        "pdq": [one["id"]],
        "copysight": [one["id"]],
    }
    bits = int(np.bitwise_count(pdq.words([hex_pdq(copy)]) ^ pdq.words([hex_pdq(photos[0])])).sum())
    assert found["pdq"]["BAD"][0]["distance"] == str(bits)
    assert 0 <= float(found["copysight"]["BAD"][0]["distance"]) <= 0.1
    assert http.post("/m/lookup", files={"photo": photos[3]}).json() == {"pdq": {}, "copysight": {}}
    only = http.post("/m/lookup", params={"types": "pdq", "banks": "OTHER"}, files={"photo": copy}).json()
    assert only == {"pdq": {}}


def test_raw_lookup_also_names_what_is_off(http, photos):
    [one] = bank_of(http, "BAD", photos[0])
    asked = {"signal_type": "pdq", "signal": hex_pdq(photos[0])}
    content = f"/c/bank/BAD/content/{one['id']}"
    off = http.put(content, json={"disable_until_ts": 0}).json()
    assert (off["disable_until_ts"], off["bank"]["name"]) == (0, "BAD")
    assert http.get("/m/lookup", params=asked).json() == {}
    assert http.get("/m/raw_lookup", params=asked).json() == {"matches": [one["id"]]}
    assert http.get("/m/raw_lookup", params=asked | {"banks": "OTHER"}).json() == {"matches": []}
    with_distance = http.get("/m/raw_lookup", params=asked | {"include_distance": "true"}).json()
    assert with_distance == {"matches": [{"bank_content_id": one["id"], "distance": "0"}]}
    http.put(content, json={"disable_until_ts": 1})
    assert http.get("/m/lookup", params=asked).json() == {"BAD": [{"bank_content_id": one["id"], "distance": "0"}]}
    shown = http.get(content, params={"include_signals": "true"}).json()
    assert (shown["disable_until_ts"], shown["signals"]["pdq"]) == (1, hex_pdq(photos[0]))
    assert http.put(content, json={"disable_until_ts": 1_900_000_000}).status_code == 400
    assert http.delete(content).json() == {"deleted": 1}
    assert http.delete(content).json() == {"deleted": 0}
    assert http.get("/m/raw_lookup", params=asked).json() == {"matches": []}


def test_a_hash_without_a_picture_matches(http, photos):
    bank_of(http, "BAD")
    value = hex_pdq(photos[2])
    added = http.post("/c/bank/BAD/signal", json={"pdq": value}).json()
    assert added["signals"] == {"pdq": value}
    assert http.post("/c/bank/BAD/signal", json={"pdq": value}).json()["id"] == added["id"]
    asked = {"signal_type": "pdq", "signal": value}
    assert http.get("/m/lookup", params=asked).json() == {"BAD": [{"bank_content_id": added["id"], "distance": "0"}]}
    content = f"/c/bank/BAD/content/{added['id']}"
    assert http.put(content, json={"disable_until_ts": 0}).json()["disable_until_ts"] == 0
    assert http.get("/m/lookup", params=asked).json() == {}
    assert http.get("/m/index/status").json()["pdq"]["size"] == 1
    assert http.delete(content).json() == {"deleted": 1}
    assert http.get(content).status_code == 404
    assert http.post("/c/bank/BAD/signal", json={"pdq": "none"}).status_code == 400
    assert http.post("/c/bank/BAD/signal", json={"copysight": "x"}).status_code == 400


def test_pictures_that_were_added_otherwise_have_hashes_too(http, photos):
    """Through /images; the item is on the list of the collection, and the bank shows it."""
    added = http.post("/images", params={"collection": "BAD"}, files={"file": photos[1]}).json()
    assert http.put("/lists/BAD", json={"policy": "block"}).status_code == 201
    asked = {"signal_type": "pdq", "signal": hex_pdq(photos[1])}
    assert http.get("/m/lookup", params=asked).json()["BAD"][0]["bank_content_id"] == added["id"]
    assert http.get("/c/bank/BAD").json()["matching_enabled_ratio"] == 1.0
    http.delete(f"/images/{added['id']}")
    assert http.get("/m/lookup", params=asked).json() == {}


def test_a_share_of_the_lookups_is_answered_by_seed(http, photos):
    bank_of(http, "BAD", photos[0])
    http.put("/c/bank/BAD", json={"enabled_ratio": 0.3})
    asked = {"signal_type": "pdq", "signal": hex_pdq(photos[0])}
    answers = [bool(http.get("/m/lookup", params=asked | {"seed": str(seed)}).json()) for seed in range(60)]
    assert 6 <= sum(answers) <= 30
    assert answers == [bool(http.get("/m/lookup", params=asked | {"seed": str(seed)}).json()) for seed in range(60)]
    assert http.get("/m/lookup", params=asked | {"bypass_coinflip": "true"}).json()
    assert http.put("/c/bank/BAD", json={"enabled": False}).json()["matching_enabled_ratio"] == 0.0
    assert http.get("/m/lookup", params=asked | {"bypass_coinflip": "true"}).json() == {}


def test_signals_are_compared(http, photos):
    other = encoded(drawn_picture(3, (640, 480)))  # noise of one kind is too alike for the descriptor alone
    signals = [
        http.post("/h/hash", files={"photo": data}).json() for data in (photos[0], recompressed(photos[0]), other)
    ]
    pairs = {kind: [signals[0][kind], signals[1][kind]] for kind in ("pdq", "copysight")}
    assert all(matched for matched, _ in http.post("/m/compare", json=pairs).json().values())
    near = http.post("/m/compare", json=pairs).json()
    pairs = {kind: [signals[0][kind], signals[2][kind]] for kind in ("pdq", "copysight")}
    far = http.post("/m/compare", json=pairs).json()
    assert not far["pdq"][0]
    assert all(far[kind][1]["distance"] > near[kind][1]["distance"] for kind in pairs)
    assert http.get("/c/signal_type").json()[0] == {"name": "pdq", "enabled_ratio": 1.0}
    assert http.get("/status").text == "I-AM-ALIVE"


@pytest.mark.parametrize(
    ("method", "path", "more", "said"),
    [
        ("GET", "/m/lookup", {"params": {"signal": "00"}}, "signal_type"),
        ("GET", "/m/lookup", {"params": {"signal": "00", "signal_type": "pdq"}}, "64 hexadecimal digits"),
        ("GET", "/m/lookup", {"params": {"signal": "00", "signal_type": "vpdq"}}, "this server has pdq"),
        ("GET", "/m/lookup", {"params": {"signal": "aa.bb", "signal_type": "copysight"}}, "of the model"),
        ("GET", "/m/raw_lookup", {}, "signal"),
        ("GET", "/h/hash", {}, "url"),
        ("GET", "/h/hash", {"params": {"url": "http://10.0.0.1/a.jpg"}}, ""),
        ("POST", "/h/hash", {"files": {"video": b"x"}}, "'video'"),
        ("POST", "/h/hash", {"json": {}}, "multipart"),
        ("POST", "/h/hash", {"files": {"photo": b"no picture"}}, ""),
        ("POST", "/c/banks", {"json": {"name": "lower"}}, "capitals"),
        ("POST", "/c/banks", {"json": {}}, "name"),
        ("POST", "/c/bank/NONE/content", {"files": {"photo": b"x"}}, "not found"),
        ("PUT", "/c/bank/NONE", {"json": {"enabled_ratio": 1}}, "not found"),
        ("PUT", "/c/bank/NONE", {"json": {"enabled_ratio": 3}}, "from 0 to 1"),
    ],
)  # fmt: skip
def test_errors_have_a_message(http, method, path, more, said):
    answer = http.request(method, path, **more)
    assert 400 <= answer.status_code < 500
    assert said in answer.json()["message"]


def test_a_bank_is_created_once(http):
    bank_of(http, "BAD")
    again = http.post("/c/banks", json={"name": "BAD"})
    assert (again.status_code, again.json()["code"]) == (403, "bank_exists")


def test_without_the_setting_there_are_no_such_paths(shared):
    assert shared.http.get("/c/banks").status_code == 404


def test_keys_have_the_scopes_of_the_calls(tmp_path, photos):
    Index.create(tmp_path / "index").close()
    keys = {scope: Keys(tmp_path / "index").add(scope, scope) for scope in ("read", "write", "admin")}
    with serving(tmp_path / "index", auth="keys", hma="true") as running:
        as_key = {scope: {"X-API-Key": key} for scope, key in keys.items()}
        create = {"json": {"name": "BAD"}}
        assert running.http.post("/c/banks", **create).status_code == 401
        assert running.http.post("/c/banks", headers=as_key["write"], **create).json()["code"] == "scope_missing"
        assert running.http.post("/c/banks", headers=as_key["admin"], **create).status_code == 201
        content = {"files": {"photo": photos[0]}}
        assert running.http.post("/c/bank/BAD/content", headers=as_key["read"], **content).status_code == 403
        assert (
            running.http.post("/c/bank/BAD/content", headers=as_key["write"], timeout=60, **content).status_code == 200
        )
        assert running.http.post("/m/lookup", headers=as_key["read"], timeout=60, **content).json()["pdq"]["BAD"]
