"""Prefixes: of the setting, of the header, removed by the proxy or not; and who is believed."""

import pytest
from pydantic import ValidationError

from service.http.forwarded import Forwarded, route_path
from service.runtime.settings import Settings

CALLS = {"/", "/search", "/images", "/images/1"}


def applied(path, headers=(), peer="127.0.0.1", **settings):
    forwarded = Forwarded(Settings(**settings), lambda scope: scope["path"] in CALLS)
    raw = [(name.encode(), value.encode()) for name, value in headers]
    client = (peer, 5) if peer is not None else None
    return forwarded.apply({"type": "http", "scheme": "http", "path": path, "headers": raw, "client": client})


@pytest.mark.parametrize("prefix", ["/copysight", "/a/b", "/search", "/a.b~c_d-e"])
@pytest.mark.parametrize("path", sorted(CALLS))
def test_a_prefix_may_be_removed_or_left(prefix, path):
    for sent in (path, prefix + path):
        found = applied(sent, root_path=prefix)
        assert (found["root_path"], route_path(found)) == (prefix, path)
        found = applied(sent, [("x-forwarded-prefix", f"{prefix}/")])
        assert (found["root_path"], route_path(found)) == (prefix, path)


def test_the_prefix_alone_is_the_empty_path():
    assert route_path(applied("/copysight", root_path="/copysight")) == ""
    assert route_path(applied("/copysights", root_path="/copysight")) == "/copysights"


def test_without_a_prefix_nothing_changes():
    found = applied("/search")
    assert ("root_path" in found, route_path(found)) == (False, "/search")


@pytest.mark.parametrize(
    ("trusted", "peer", "believed"),
    [("127.0.0.1,::1", "127.0.0.1", True), ("127.0.0.1,::1", "::1", True), ("127.0.0.1", "::ffff:127.0.0.1", True),
     ("127.0.0.1", "10.0.0.1", False), ("10.0.0.0/8, 127.0.0.1", "10.9.9.9", True), ("*", "203.0.113.1", True),
     ("*", None, True), ("", "127.0.0.1", False), ("127.0.0.1", None, False), ("fd00::/8", "10.0.0.1", False)],
)  # fmt: skip
def test_who_is_believed(trusted, peer, believed):
    headers = [("x-forwarded-prefix", "/a"), ("x-forwarded-proto", "https")]
    found = applied("/search", headers, peer, trusted_proxies=trusted)
    assert (found.get("root_path", ""), found["scheme"]) == (("/a", "https") if believed else ("", "http"))


@pytest.mark.parametrize(
    "bad",
    [
        "//x.example",
        "/a//b",
        "a",
        "/a/..",
        "/../a",
        "/./a",
        "/a\\b",
        "/a b",
        "/a?b",
        "/a#b",
        "/%2e",
        "http://x",
        "/" + "a" * 201,
    ],
)
def test_an_invalid_header_is_left_out_of_account(bad):
    assert applied("/search", [("x-forwarded-prefix", bad)], root_path="/own")["root_path"] == "/own"


def test_the_header_goes_before_the_setting_and_slash_means_none():
    assert applied("/search", [("x-forwarded-prefix", "/a")], root_path="/own")["root_path"] == "/a"
    assert "root_path" not in applied("/search", [("x-forwarded-prefix", "/")], root_path="/own")


@pytest.mark.parametrize("bad", ["copysight", "//x", "/a//b", "/..", "/a/../b", "/a b", "http://x"])
def test_an_invalid_setting_is_refused(bad):
    with pytest.raises(ValidationError):
        Settings(root_path=bad)


@pytest.mark.parametrize("good", ["", "/", "/a", "/a/", "/a/b", "/a..b"])
def test_a_valid_setting(good):
    assert Settings(root_path=good).root_path == good.rstrip("/")
