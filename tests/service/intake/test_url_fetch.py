"""Pictures by URL: what an attacker would try against a server inside a network, tried against a real one."""

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
from service.intake.url_fetch import Allowed, Fetcher, Url
from tests.service.conftest import serving

LOOPBACK = (ip_network("127.0.0.1/32"),)


class Site(BaseHTTPRequestHandler):
    """A web server with bad manners; it notes who came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Host"]))
        getattr(self, self.path.strip("/").split("/")[0], self.picture)()

    def picture(self):
        self.answer(200, self.server.picture)

    def missing(self):
        self.answer(404, b"")

    def to(self):
        """Redirects to the rest of the path."""
        self.answer(302, b"", Location=self.path.removeprefix("/to/"))

    def loop(self):
        self.answer(302, b"", Location="/loop")

    def large(self):
        self.answer(200, bytes(3_000_000))

    def endless(self):
        """A body of no stated length that never ends."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(65536))
        except OSError:
            self.close_connection = True

    def slow(self):
        """A byte at a time, each well within any time limit between bytes."""
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
        """Say nothing."""


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
    """Answers a name with one list of addresses after another, and the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, name, port):
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def fetch(*urls, hosts=("*",), networks=(), resolve=None, most=2_000_000, together=10**8, seconds=5.0):
    """What becomes of URLs."""

    async def run():
        fetcher = Fetcher(Allowed(hosts, networks), most, together, seconds, resolve)
        try:
            return await fetcher.all([Url(url) for url in urls])
        finally:
            await fetcher.close()

    return asyncio.run(run())


def inside(site, *paths, **more):
    """Fetch from the site with its address allowed, for the cases that are about something else."""
    urls = [f"http://pictures.example:{site.port}{path}" for path in paths]
    given = {"hosts": (f"*:{site.port}",), "networks": LOOPBACK, "resolve": Resolver(["127.0.0.1"])}
    return fetch(*urls, **given | more)


def test_a_picture_and_its_neighbours(site):
    found = inside(site, "/a.jpg", "/missing", "/to//a.jpg", "/b.jpg")
    assert found[0] == found[3] == site.picture
    assert isinstance(found[1], FetchFailed)
    assert "404" in found[1].message
    assert found[2] == site.picture
    assert site.asked[0][1] == f"pictures.example:{site.port}", "it is asked for by its name"


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
def test_loopback_in_every_spelling(host, site):
    """With every host and port allowed, and the system's own resolver."""
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
def test_names_that_lead_inside(address):
    """Private, link-local, shared, documentation, multicast; and those within IPv6 addresses."""
    assert not Allowed(("*",)).address(ip_address(address))
    for answer in ([address], ["93.184.215.14", address]):
        [refused] = fetch("http://innocent.example/a.jpg", resolve=Resolver(answer))
        assert isinstance(refused, UrlRefused)
        assert address not in refused.message, "what the network looks like inside is not told"


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses_are_fine(address):
    assert Allowed(("*",)).address(ip_address(address))


def test_a_resolver_that_changes_its_mind(site):
    """It is asked once: the address that was checked is the one connected to, the second answer is never seen."""
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
    """The first address is allowed as a listed host; where it sends us is not."""
    path = "/to/" + target.format(port=site.port)
    [refused] = inside(site, path, hosts=(f"pictures.example:{site.port}",))
    assert isinstance(refused, UrlRefused)
    assert [asked for asked, _ in site.asked] == [path]


def test_a_redirect_to_a_listed_host_that_leads_inside(site):
    """Two names on the list, and the second has moved inside."""

    async def resolve(name, port):
        return ["127.0.0.1"] if name == "pictures.example" else ["10.0.0.1"]

    hosts = (f"*.example:{site.port}",)
    [refused] = inside(site, f"/to/http://moved.example:{site.port}/", hosts=hosts, resolve=resolve)
    assert isinstance(refused, UrlRefused)


def test_redirects_end(site):
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
def test_what_is_no_web_address(url):
    [refused] = fetch(url, resolve=Resolver(["93.184.215.14"]))
    assert isinstance(refused, UrlRefused)


def test_too_large_and_too_slow(site):
    """Each with its own clear error, and within the limit rather than after the body."""
    began = time.monotonic()
    large, endless = inside(site, "/large", "/endless")
    assert isinstance(large, TooManyBytes)
    assert isinstance(endless, TooManyBytes)
    assert time.monotonic() - began < 5
    [slow] = inside(site, "/slow", seconds=0.6)
    assert isinstance(slow, FetchFailed)
    assert "0.6 s" in slow.message


def test_the_pictures_of_a_request_are_capped_together(site):
    found = inside(site, *["/a.jpg"] * 8, together=len(site.picture) * 5)
    assert sum(isinstance(one, TooManyBytes) for one in found) == 3
    assert sum(one == site.picture for one in found) == 5


def test_a_host_that_is_not_there():
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
def test_the_list_of_hosts(entry, url, allowed):
    """A listed host gets as far as its address, which is private here; another is refused before that."""
    resolve = Resolver(["10.0.0.1"])
    fetch(url, hosts=(entry,), resolve=resolve)
    assert bool(resolve.asked) == allowed


def test_settings():
    allowed = Allowed.of(read_settings({"fetch_hosts": "A.example, *.b.example", "fetch_networks": "10.1.0.0/16"}))
    assert allowed.hosts == ("a.example", "*.b.example")
    assert allowed.address(ip_address("10.1.2.3"))
    assert allowed.address(ip_address("::ffff:10.1.2.3"))
    assert not allowed.address(ip_address("10.2.0.1"))
    with pytest.raises(InvalidArgument, match=r"10\.1\.0\.0/16"):
        Allowed.of(read_settings({"fetch_networks": "10.1.0.0/40"}))


def test_a_real_server_fetches(index, site, pictures):
    """Beside base64, with an error for each that cannot be had; nothing is stored of what was refused."""
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


def test_a_real_server_fetches_nothing_unless_told(http, site):
    url = f"http://127.0.0.1:{site.port}/a.jpg"
    [item] = http.post("/search", json={"images": [url]}).json()["items"]
    assert item["error"]["code"] == "url_refused"
    answer = http.post("/images", json={"images": [url]})
    assert (answer.status_code, answer.json()["code"]) == (403, "url_refused")
    assert site.asked == []
