"""A server without API keys refuses browser requests from pages of other sites."""

import pytest

from service.auth import cross_site
from service.auth.keys import Keys
from tests.service.conftest import serving

ELSEWHERE = "https://evil.example"


@pytest.fixture
def change(http):
    """A request that would change the index, with headers as browsers send them."""
    return lambda headers: http.post("/index/reload", headers=headers)


@pytest.mark.parametrize(
    "headers",
    [{"origin": ELSEWHERE}, {"origin": "null"}, {"origin": "http://[x"}, {"sec-fetch-site": "cross-site"},
     {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:3000"}, {"origin": "http://127.0.0.1:3000"}],
)  # fmt: skip
def test_a_page_of_another_site_cannot_change_the_index(change, headers):
    answer = change(headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "site_refused")
    assert "COPYSIGHT_CORS_ORIGINS" in answer.json()["detail"]


def test_a_page_of_another_site_cannot_search(http, pictures):
    """Browsers send a form without a preflight, so another page could keep the model busy."""
    files = {"file": (pictures / "0.jpg").read_bytes()}
    assert http.post("/search", files=files, headers={"origin": ELSEWHERE}).status_code == 403


def test_the_own_page_programs_and_typed_addresses_are_allowed(shared, change):
    for headers in ({}, {"origin": shared.url}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert change(headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil", "[x"]
)
def test_dns_rebinding_is_refused(http, host):
    """The browser sees the same site, so without this check the page could read the answer, too."""
    for path in ("/index", "/images", "/metrics"):
        answer = http.get(path, headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "site_refused")
    assert http.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("name", "local"),
    [("localhost", True), ("photos.localhost", True), ("127.0.0.1", True), ("::1", True), ("192.168.1.7", True),
     (None, True), ("photos.example", False), ("localhost.example", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_names_of_this_machine(name, local):
    assert cross_site.is_local(name) == local


def test_allowed_origins_may_use_the_api_and_auth_none_allows_any_host(index):
    with serving(index, auth="none", cors_origins="https://photos.example") as server:
        from_there = {"origin": "https://photos.example", "sec-fetch-site": "cross-site"}
        assert server.http.post("/index/reload", headers=from_there).status_code == 200
        assert server.http.post("/index/reload", headers={"origin": ELSEWHERE}).status_code == 403
        assert server.http.get("/index", headers={"host": "copysight.internal"}).status_code == 200


def test_a_request_with_a_key_may_come_from_any_site(index):
    """Browsers never add a key by themselves."""
    headers = {"origin": ELSEWHERE, "host": "photos.example", "x-api-key": Keys(index).add("desk", "admin")}
    with serving(index, auth="keys") as server:
        assert server.http.post("/index/reload", headers=headers).status_code == 200
        assert server.http.post("/index/reload", headers=headers | {"x-api-key": ""}).status_code == 401
