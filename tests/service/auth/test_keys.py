"""API keys: what each scope allows on a real server, revoked keys, the ``keys`` commands."""

import json
import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.errors import IndexCorrupt
from copysight.index import Index
from service.app import ROUTERS
from service.auth.keys import SCOPES, Key, Keys
from service.auth.meter import KeyMeter, day_of
from service.cli import read_settings
from service.http.problems import QuotaExceeded
from service.routes import scopes
from tests.service.conftest import serving

OPEN = {"/healthz", "/readyz", "/docs", "/", "/ui/{name:path}"}


def scope_of(route):
    return [call.dependency.scope for call in route.dependencies if isinstance(call.dependency, scopes.RequireScope)]


@pytest.mark.parametrize(
    "route", [route for module in ROUTERS for route in module.router.routes], ids=lambda one: one.path
)
def test_every_route_requires_a_scope(route):
    assert len(scope_of(route)) == (0 if route.path in OPEN else 1)


@pytest.fixture
def locked(index):
    """A server with API keys, and a key of each scope."""
    keys = {scope: Keys(index).add(f"a {scope} key", scope) for scope in SCOPES}
    with serving(index, auth="keys") as server:
        yield SimpleNamespace(server=server, keys=keys, index=index)


def test_scopes_on_a_real_server(locked, pictures):
    http, picture = locked.server.http, (pictures / "0.jpg").read_bytes()
    calls = [
        ("read", lambda headers: http.post("/search", files={"file": picture}, headers=headers)),
        ("read", lambda headers: http.get("/images/1/thumbnail", headers=headers)),
        ("write", lambda headers: http.patch("/images/1", json={"metadata": {"a": 1}}, headers=headers)),
        ("admin", lambda headers: http.post("/index/reload", headers=headers)),
    ]
    for needed, call in calls:
        assert call({}).status_code == 401
        assert call({}).headers["www-authenticate"] == "Bearer"
        assert call({"Authorization": "Bearer cs_00000000_no"}).json()["code"] == "key_unknown"
        for scope, key in locked.keys.items():
            enough = SCOPES.index(scope) >= SCOPES.index(needed)
            for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
                answer = call(headers)
                assert answer.is_success == enough, (needed, scope, answer.text)
                assert enough or answer.json()["code"] == "scope_missing"
    assert http.get("/healthz").status_code == http.get("/").status_code == 200


def test_openapi_describes_the_keys(locked):
    text = locked.server.http.get("/openapi.json").json()
    schemes = text["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["key"]["name"]) == ("bearer", "X-API-Key")
    secured = {path for path, calls in text["paths"].items() for call in calls.values() if "security" in call}
    assert secured == text["paths"].keys() - OPEN
    assert text["paths"]["/search"]["post"]["security"] == [{"bearer": []}, {"key": []}]
    assert "scope `admin`" in text["paths"]["/index/rebuild"]["post"]["description"]


def test_openapi_has_no_keys_if_the_server_needs_none(http):
    text = http.get("/openapi.json").json()
    assert "securitySchemes" not in text["components"]
    assert not any("security" in call for calls in text["paths"].values() for call in calls.values())


def test_a_revoked_key_is_refused_at_once(locked):
    http, headers = locked.server.http, {"Authorization": f"Bearer {locked.keys['read']}"}
    assert http.get("/whoami", headers=headers).json().items() >= {"name": "a read key", "scope": "read"}.items()
    number = locked.keys["read"].split("_")[1]
    done = CliRunner().invoke(main, ["keys", "revoke", number, "--index", str(locked.index)])
    assert done.exit_code == 0
    assert http.get("/whoami", headers=headers).json()["code"] == "key_unknown"


def test_no_log_line_and_no_file_holds_a_key(locked):
    for key in locked.keys.values():
        locked.server.http.get("/index", headers={"Authorization": f"Bearer {key}"})
        secret = key.split("_", 2)[2]
        assert secret not in locked.server.log.read_text()
        assert secret not in (locked.index / "keys.json").read_text()
    assert (locked.index / "keys.json").stat().st_mode & 0o077 == 0


def test_without_keys_every_caller_is_admin(http):
    assert http.get("/whoami").json().items() >= {"name": None, "scope": "admin"}.items()
    assert http.get("/keys").json() == {"keys": []}


def test_the_commands(index):
    run = CliRunner()
    made = run.invoke(main, ["keys", "add", "desk", "--scope", "write", "--index", str(index)])
    key = made.stdout.strip()
    found = Keys(index).find(key)
    assert found is not None
    assert (found.name, found.scope) == ("desk", "write")
    assert found.id in run.invoke(main, ["keys", "list", "--index", str(index)]).stdout
    assert Keys(index).find(key[:-1] + ("a" if key[-1] != "a" else "b")) is None
    assert run.invoke(main, ["keys", "revoke", "nobody", "--index", str(index)]).exit_code == 1


def test_a_key_expires_and_has_a_quota(index, tmp_path):
    """Usage is kept over a restart, and a change of the day begins the quota anew."""
    run = CliRunner()

    def made(name, *options):
        return run.invoke(main, ["keys", "add", name, *options, "--index", str(index)]).stdout.strip()

    admin, few = made("lead", "--scope", "admin"), made("app", "--quota", "5")
    short = made("temp", "--days", "0.0001")  # 9 s
    with serving(index, auth="keys") as server:
        codes = [server.http.get("/whoami", headers={"X-API-Key": few}) for _ in range(7)]
        assert [one.status_code for one in codes] == [200] * 5 + [429] * 2
        assert codes[6].json()["code"] == "quota_exceeded"
        assert 0 < int(codes[6].headers["retry-after"]) <= 86401
        assert codes[4].json().items() >= {"quota": 5, "today": 5}.items()
        assert server.http.get("/whoami", headers={"X-API-Key": admin}).status_code == 200
    usage = {one.id: one for one in Keys(index).all()}
    with Index.open(index) as opened:
        stored = opened.catalog.usage.read(day_of(time.time()))
    assert {usage[number].name: one.total for number, one in stored.items()} == {"lead": 1, "app": 5}
    with serving(index, auth="keys") as server:
        assert until(lambda: server.http.get("/whoami", headers={"X-API-Key": few}).status_code == 429, 10)
        late = {"X-API-Key": short}
        assert until(lambda: server.http.get("/whoami", headers=late).status_code == 401, 15)
        assert server.http.get("/whoami", headers=late).json()["code"] == "key_expired"
        listed = server.http.get("/keys", headers={"X-API-Key": admin}).json()["keys"]
        assert [(one["name"], one["quota"], one["total"]) for one in listed][:2] == [("lead", None, 2), ("app", 5, 5)]
        assert not {"digest", "key"} & listed[0].keys()
        actions = server.http.get("/audit?action=key&order=oldest", headers={"X-API-Key": admin}).json()["entries"]
    assert [(one["action"], one["detail"]["name"]) for one in actions] == [
        ("key.add", "lead"), ("key.add", "app"), ("key.add", "temp"),
    ]  # fmt: skip
    text = run.invoke(main, ["keys", "list", "--index", str(index)]).stdout
    assert "at most 5 a day, 5 requests today, 5 in all" in text
    assert "expired " in text


def until(condition, seconds):
    """Wait until something holds. Returns whether it does in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_new_day_begins_the_quota_anew(index):
    with Index.open(index) as opened:
        now = [86400.0 * 20000 - 10]
        meter = KeyMeter(opened.catalog.usage, lambda: now[0])
        key = Key("a", "app", "read", "", 0.0, quota=2)
        meter.flush()
        for _ in range(2):
            meter.count(key)
            meter.flush()
        with pytest.raises(QuotaExceeded) as refused:
            meter.count(key)
        assert refused.value.data["after"] == 11
        now[0] += 10
        meter.count(key)
        assert meter.today("a") == 1


def test_a_damaged_key_file_is_an_error(index):
    key = Keys(index).add("desk", "admin")
    (index / "keys.json").write_text(json.dumps({"keys": [{"id": "x"}]}))
    with pytest.raises(IndexCorrupt, match="damaged"):
        Keys(index).find(key)


@pytest.mark.parametrize(
    ("host", "auth", "required"),
    [("127.0.0.1", "", False), ("localhost", "", False), ("0.0.0.0", "", True), ("::", "", True),
     ("192.168.1.7", "", True), ("example.org", "", True), ("0.0.0.0", "none", False), ("127.0.0.1", "keys", True)],
)  # fmt: skip
def test_when_keys_are_required(tmp_path, host, auth, required):
    settings = read_settings({"host": host, "auth": auth, "index": str(tmp_path)})
    assert (scopes.open_keys(settings) is not None) == required
