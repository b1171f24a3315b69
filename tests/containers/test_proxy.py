"""The compose override for a public address: TLS, API keys with scopes, key rotation."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.containers.conftest import System, compose, free_port, image, run, until

FILES = ("deploy/compose.public.yml",)
READ, WRITE, NEXT = "1" * 40, "2" * 40, "3" * 40


def give_keys(place: Path, **keys: str) -> None:
    (place / "keys").write_text("".join(f'"Bearer {key}" {scope};\n' for key, scope in keys.items()))


def up(system: System, port: int, *words: str) -> None:
    os.environ["COPYSIGHT_PUBLIC"] = str(port)
    compose(system.clone, (*system.files, *FILES), system.project, system.port, "up", "-d", *words)


@pytest.fixture(scope="module")
def secrets(system) -> Path:
    """API keys and a certificate for localhost."""
    place = system.clone / "deploy" / "secrets"
    place.mkdir()
    give_keys(place, **{READ: "read", WRITE: "write"})
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(place / "certificate-key.pem"), "-out", str(place / "certificate.pem")]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject)
    for file in place.iterdir():
        file.chmod(0o644)
    return place


@pytest.fixture(scope="module")
def outside(system, secrets, tmp_path_factory) -> Iterator[httpx.Client]:
    """A client of the public address. The proxy is nginx from Debian, which needs no image registry."""
    os.environ["COPYSIGHT_PROXY_IMAGE"] = image("COPYSIGHT_PROXY_IMAGE", "nginx", tmp_path_factory.mktemp("images"))
    port = free_port()
    up(system, port)
    trust = ssl.create_default_context(cafile=secrets / "certificate.pem")
    with httpx.Client(base_url=f"https://localhost:{port}", verify=trust, timeout=60) as http:
        until(60, lambda: http.get("/healthz").status_code == 200)
        yield http


def ask(http, key, method="GET", path="/index", **more):
    return http.request(method, path, headers={"authorization": f"Bearer {key}"} if key else {}, **more)


def test_requests_without_a_valid_key_are_rejected(outside):
    for key in ("", "wrong", READ[:-1], READ + "1"):
        answer = ask(outside, key)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert outside.get("/index", headers={"authorization": READ}).status_code == 401
    assert ask(outside, WRITE, path="/metrics").status_code == 404


def test_a_read_key_cannot_write(outside, drawn, jpeg):
    picture = {"file": jpeg(drawn(77))}
    assert ask(outside, READ).json()["count"] > 0
    assert ask(outside, READ, "POST", "/search", files=picture).status_code == 200
    for method, path in [
        ("POST", "/images"),
        ("DELETE", "/images/1"),
        ("POST", "/index/rebuild"),
        ("POST", "/search/.."),
    ]:
        assert ask(outside, READ, method, path, files=picture).status_code == 403
    added = ask(outside, WRITE, "POST", "/images", files=picture)
    assert added.status_code == 201
    assert ask(outside, WRITE, "DELETE", f"/images/{added.json()['id']}").status_code == 204


def test_keys_can_be_rotated(system, outside, secrets):
    assert ask(outside, NEXT).status_code == 401
    give_keys(secrets, **{READ: "read", WRITE: "write", NEXT: "read"})
    up(system, outside.base_url.port, "--force-recreate", "--no-deps", "proxy")
    until(30, lambda: ask(outside, NEXT).status_code == 200 and ask(outside, READ).status_code == 200)
    give_keys(secrets, **{WRITE: "write", NEXT: "read"})
    up(system, outside.base_url.port, "--force-recreate", "--no-deps", "proxy")
    until(30, lambda: ask(outside, READ).status_code == 401)
    assert ask(outside, NEXT).status_code == 200
