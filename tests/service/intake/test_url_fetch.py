"""Fetching pictures by URL: SSRF attacks, limits, redirects, against a real web server."""

import asyncio
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network

import pytest

from copysight.errors import InvalidArgument, TooManyBytes
from service.cli import read_settings
from service.http.problems import FetchFailed, UrlRefused
from service.intake.url_fetch import Fetcher, FetchPolicy, Url
from tests.service.conftest import serving

LOOPBACK = (ip_network("127.0.0.1/32"),)


class Site(BaseHTTPRequestHandler):
    """A web server that misbehaves and records its requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Host"]))
        getattr(self, self.path.strip("/").split("/")[0], self.picture)()

    def picture(self):
        self.answer(200, self.server.picture)

    def missing(self):
        self.answer(404, b"")

    def to(self):
        """Redirect to the rest of the path."""
        self.answer(302, b"", Location=self.path.removeprefix("/to/"))

    def loop(self):
        self.answer(302, b"", Location="/loop")

    def large(self):
        self.answer(200, bytes(3_000_000))

    def endless(self):
        """Send a body without a length that never ends."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(65536))
        except OSError:
            self.close_connection = True

    def slow(self):
        """Send a byte at a time, each well within any time limit between bytes."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        try:
            for _ in range(1000):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            self.close_connection = True

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture
def site(jpeg, drawn):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    server.picture, server.asked = jpeg(drawn(1)), []
    server.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Resolver:
    """Resolves names to one list of addresses after another, and then always to the last one."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, name, port):
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def fetch(*urls, hosts=("*",), networks=(), resolve=None, per_picture=2_000_000, per_request=10**8, seconds=5.0):
    """Fetch URLs and return their pictures or errors."""

    async def run():
        fetcher = Fetcher(FetchPolicy(hosts, networks), per_picture, per_request, seconds, resolve)
        try:
            return await fetcher.fetch_all([Url(url) for url in urls])
        finally:
            await fetcher.close()

    return asyncio.run(run())


def inside(site, *paths, **more):
    """Fetch from the site with its address allowed, for tests of something else."""
    urls = [f"http://pictures.example:{site.port}{path}" for path in paths]
    given = {"hosts": (f"*:{site.port}",), "networks": LOOPBACK, "resolve": Resolver(["127.0.0.1"])}
    return fetch(*urls, **given | more)


def test_errors_do_not_affect_other_pictures(site):
    found = inside(site, "/a.jpg", "/missing", "/to//a.jpg", "/b.jpg")
    assert found[0] == found[3] == site.picture
    assert isinstance(found[1], FetchFailed)
    assert "404" in found[1].message
    assert found[2] == site.picture
    assert site.asked[0][1] == f"pictures.example:{site.port}", "the Host header is the name"


def test_off_by_default(site):
    [refused] = fetch(f"http://127.0.0.1:{site.port}/a.jpg", hosts=())
    assert isinstance(refused, UrlRefused)
    assert "COPYSIGHT_FETCH_HOSTS" in refused.message
    assert site.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "127.0.0.1.",
        "127。0。0。1",
        "①②⑦.0.0.1",
    ],
)
def test_loopback_is_refused_in_every_spelling(host, site):
    """All hosts are allowed; the system's own resolver resolves them."""
    [refused] = fetch(f"http://{host}:{site.port}/a.jpg", hosts=(f"*:{site.port}",))
    assert isinstance(refused, UrlRefused | FetchFailed)
    assert site.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::1",
        "::",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a00:1::",
        "2001:db8::1",
        "2001:0:7f00:1:0:0:5601:5601",
    ],
)
def test_private_addresses_are_refused(address):
    """Private, link-local, shared, documentation and multicast addresses, also inside IPv6 addresses."""
    assert not FetchPolicy(("*",)).allows_address(ip_address(address))
    for answer in ([address], ["93.184.215.14", address]):
        [refused] = fetch("http://innocent.example/a.jpg", resolve=Resolver(answer))
        assert isinstance(refused, UrlRefused)
        assert address not in refused.message, "the error reveals nothing about the network"


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses_are_allowed(address):
    assert FetchPolicy(("*",)).allows_address(ip_address(address))


def test_a_second_answer_of_the_resolver_is_not_used(site):
    """The name is resolved once, and the connection goes to the address that was checked."""
    rebinding = Resolver(["127.0.0.1"], ["10.9.9.9"])
    [found] = inside(site, "/a.jpg", resolve=rebinding)
    assert found == site.picture
    assert rebinding.asked == ["pictures.example"]
    other_way = Resolver(["93.184.215.14"], ["127.0.0.1"])
    [failed] = inside(site, "/a.jpg", networks=(), resolve=other_way, seconds=0.5)
    assert isinstance(failed, FetchFailed)
    assert len(site.asked) == 1, "the second answer led to this server"


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "http://127.0.0.1:{port}/a.jpg",
        "//127.0.0.1:{port}/a.jpg",
        "http://[::ffff:127.0.0.1]:{port}/a.jpg",
        "http://2130706433:{port}/a.jpg",
        "file:///etc/passwd",
        "gopher://pictures.example/",
        "http://user:secret@pictures.example:{port}/",
        "http://other.example:{port}/a.jpg",
        "http://pictures.example:22/",
        "http://[",
    ],
)
def test_redirects_pass_the_same_checks(target, site):
    """The first URL is allowed; the target of its redirect is not."""
    path = "/to/" + target.format(port=site.port)
    [refused] = inside(site, path, hosts=(f"pictures.example:{site.port}",))
    assert isinstance(refused, UrlRefused)
    assert [visited for visited, _ in site.asked] == [path]


def test_a_redirect_to_an_allowed_host_with_a_private_address_is_refused(site):
    """Two allowed names; the second resolves to a private address."""

    async def resolve(name, port):
        return ["127.0.0.1"] if name == "pictures.example" else ["10.0.0.1"]

    hosts = (f"*.example:{site.port}",)
    [refused] = inside(site, f"/to/http://moved.example:{site.port}/", hosts=hosts, resolve=resolve)
    assert isinstance(refused, UrlRefused)


def test_the_number_of_redirects_is_limited(site):
    [failed] = inside(site, "/loop")
    assert isinstance(failed, FetchFailed)
    assert len(site.asked) == 4


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://pictures.example/a.jpg",
        "gopher://pictures.example/",
        "dict://pictures.example/",
        "http://",
        "http:///a.jpg",
        "http://me:secret@pictures.example/a.jpg",
        "http://pictures.example:99999/a.jpg",
        "http://pictures.example:0/a.jpg",
        "http://[::1/a.jpg",
        "http://pictures.example\r\nX-Injected: yes/a.jpg",
        "://",
    ],
)
def test_a_url_that_is_not_http_is_refused(url):
    [refused] = fetch(url, resolve=Resolver(["93.184.215.14"]))
    assert isinstance(refused, UrlRefused)


def test_large_and_slow_answers_are_refused(site):
    """Each has its own error, at the limit and not after the whole body."""
    began = time.monotonic()
    large, endless = inside(site, "/large", "/endless")
    assert isinstance(large, TooManyBytes)
    assert isinstance(endless, TooManyBytes)
    assert time.monotonic() - began < 5
    [slow] = inside(site, "/slow", seconds=0.6)
    assert isinstance(slow, FetchFailed)
    assert "0.6 s" in slow.message


def test_the_total_of_a_request_is_limited(site):
    found = inside(site, *["/a.jpg"] * 8, per_request=len(site.picture) * 5)
    assert sum(isinstance(one, TooManyBytes) for one in found) == 3
    assert sum(one == site.picture for one in found) == 5


def test_an_unreachable_host_is_an_error():
    async def nobody(name, port):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    [failed] = fetch("http://pictures.example/a.jpg", resolve=nobody)
    assert isinstance(failed, FetchFailed)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    [failed] = fetch(
        f"http://localhost:{port}/", hosts=(f"*:{port}",), networks=LOOPBACK, resolve=Resolver(["127.0.0.1"])
    )
    assert isinstance(failed, FetchFailed)


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("pictures.example", "http://pictures.example/", True),
        ("pictures.example", "https://PICTURES.example/", True),
        ("pictures.example", "http://pictures.example:8080/", False),
        ("pictures.example:8080", "http://pictures.example:8080/", True),
        ("pictures.example:8080", "http://pictures.example/", False),
        ("pictures.example", "http://evil.pictures.example/", False),
        ("pictures.example", "http://pictures.example.evil/", False),
        ("*.pictures.example", "http://a.pictures.example/", True),
        ("*.pictures.example", "http://pictures.example/", False),
        ("*.pictures.example", "http://evilpictures.example/", False),
        ("*", "http://anything.example/", True),
        ("*", "http://anything.example:22/", False),
    ],
)
def test_the_list_of_allowed_hosts(entry, url, allowed):
    """An allowed host is resolved (to a private address here); another is refused before that."""
    resolve = Resolver(["10.0.0.1"])
    fetch(url, hosts=(entry,), resolve=resolve)
    assert bool(resolve.asked) == allowed


def test_settings():
    policy = FetchPolicy.of(read_settings({"fetch_hosts": "A.example, *.b.example", "fetch_networks": "10.1.0.0/16"}))
    assert policy.hosts == ("a.example", "*.b.example")
    assert policy.allows_address(ip_address("10.1.2.3"))
    assert policy.allows_address(ip_address("::ffff:10.1.2.3"))
    assert not policy.allows_address(ip_address("10.2.0.1"))
    with pytest.raises(InvalidArgument, match=r"10\.1\.0\.0/16"):
        FetchPolicy.of(read_settings({"fetch_networks": "10.1.0.0/40"}))


def test_a_real_server_fetches(index, site, pictures):
    """Base64 and URLs in one request; each URL that cannot be fetched has its error; failed pictures are not stored."""
    import base64

    site.picture = (pictures / "3.jpg").read_bytes()
    url = f"http://localhost:{site.port}"
    settings = {"fetch_hosts": f"localhost:{site.port}", "fetch_networks": "127.0.0.1/32,::1/128"}
    with serving(index, **settings) as server:
        plain = base64.b64encode(site.picture).decode()
        images = [plain, f"{url}/a.jpg", f"{url}/missing", "file:///etc/passwd", f"http://127.0.0.1:{site.port}/"]
        items = server.http.post("/embed", json={"images": images}).json()["items"]
        assert items[0] == items[1]
        assert [item["error"]["code"] for item in items[2:]] == ["fetch_failed", "url_refused", "url_refused"]
        answer = server.http.post("/images", json={"images": [f"{url}/missing"], "key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (502, "fetch_failed")
        assert server.http.get("/images?key=k").json()["items"] == []
        added = server.http.post("/images", json={"images": [f"{url}/a.jpg"], "key": "k"})
        assert added.status_code == 201


def test_a_real_server_fetches_nothing_by_default(http, site):
    url = f"http://127.0.0.1:{site.port}/a.jpg"
    [item] = http.post("/search", json={"images": [url]}).json()["items"]
    assert item["error"]["code"] == "url_refused"
    answer = http.post("/images", json={"images": [url]})
    assert (answer.status_code, answer.json()["code"]) == (403, "url_refused")
    assert site.asked == []
