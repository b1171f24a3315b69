"""Response headers: secure defaults for every answer, and CORS for the allowed origins."""

import re

import pytest

from copysight.errors import InvalidArgument
from service.cli import read_settings
from tests.service.conftest import serving

ELSEWHERE = "https://photos.example"


@pytest.mark.parametrize("path", ["/index", "/images", "/nowhere", "/healthz", "/"])
def test_every_answer_has_secure_headers(http, path):
    headers = http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


def test_browsers_cache_thumbnails_and_nothing_else(http):
    assert http.get("/index").headers["cache-control"] == "no-store"
    assert "max-age" in http.get("/images/1/thumbnail").headers["cache-control"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_only_what_this_server_has(http, path):
    answer = http.get(path)
    assert "script-src 'self'; style-src 'self';" in answer.headers["content-security-policy"]
    loaded = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', answer.text)
    assert loaded
    assert all(http.get(f"/{part}").status_code == 200 for part in loaded), loaded


def test_other_sites_get_no_cors_headers(http):
    answer = http.get("/index", headers={"origin": ELSEWHERE})
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    preflight = {"origin": ELSEWHERE, "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in http.options("/search", headers=preflight).headers


def test_the_preflight_of_an_allowed_origin_needs_no_key(index):
    with serving(index, cors_origins=f"{ELSEWHERE},http://localhost:3000", auth="keys") as server:
        preflight = {"origin": ELSEWHERE, "access-control-request-method": "POST"}
        preflight |= {"access-control-request-headers": "authorization"}
        before = server.http.options("/search", headers=preflight)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == ELSEWHERE
        refused = server.http.get("/index", headers={"origin": ELSEWHERE})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == ELSEWHERE
        assert "access-control-allow-credentials" not in refused.headers
        other = server.http.get("/index", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    "origins", ["photos.example", "https://a.example/path", "https://a.example, https://b.example"]
)
def test_an_invalid_origin_is_refused_at_the_start(origins):
    with pytest.raises(InvalidArgument, match="cors_origins"):
        read_settings({"cors_origins": origins})
