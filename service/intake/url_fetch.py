"""Fetch pictures from the URLs of requests, only from allowed hosts and networks (protection against SSRF).

Each host name is resolved once, and the connection goes to the address that was checked. So a DNS server that answers
differently the second time (DNS rebinding) has no effect. Each redirect passes the same checks. Time and bytes are
limited.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpx

from copysight.errors import InvalidArgument, PictureError, TooManyBytes
from service.http.problems import FetchFailed, UrlRefused
from service.runtime.settings import Settings

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
PORTS = {"http": 80, "https": 443}
REDIRECTS = 3
MAX_CONCURRENT = 16
NAT64 = IPv6Network("64:ff9b::/96")
HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "copysight"}


@dataclass(frozen=True)
class Url:
    """A URL that a request gives instead of a picture's bytes."""

    text: str


PictureSource = bytes | Url | PictureError
"""A picture of a request: its bytes, the URL to fetch them from, or the error of reading it."""


@dataclass(frozen=True)
class FetchPolicy:
    """Allowed hosts (``name``, ``name:port``, ``*.name``, ``*``) and allowed private networks."""

    hosts: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "FetchPolicy":
        """From the settings. Raises ``InvalidArgument``."""
        try:
            networks = tuple(ipaddress.ip_network(part) for part in _parts(settings.fetch_networks))
        except ValueError as error:
            raise InvalidArgument(f"COPYSIGHT_FETCH_NETWORKS: {error}; write for example 10.1.0.0/16") from error
        return cls(tuple(part.lower() for part in _parts(settings.fetch_hosts)), networks)

    def allows_host(self, scheme: str, name: str, port: int) -> bool:
        """Whether the list allows a host and port. An entry without a port allows only the scheme's default port."""
        return any(_matches(entry, PORTS[scheme], name, port) for entry in self.hosts)

    def allows_address(self, address: Address) -> bool:
        """Whether connections to an address are allowed: it is public, or in one of ``networks``."""
        plain = _plain(address)
        if any(plain in network for network in self.networks if network.version == plain.version):
            return True
        return plain.is_global and not (plain.is_multicast or plain.is_reserved or plain.is_unspecified)


@dataclass(frozen=True)
class _Target:
    """Target of one HTTP request: a URL whose host is a checked address, the Host header, and the host name."""

    url: httpx.URL
    host: str
    name: str


@dataclass
class _ByteBudget:
    """Bytes that all fetches of one request may still receive; they are in memory together."""

    remaining: int


class Fetcher:
    """Fetches pictures for all requests, at most ``MAX_CONCURRENT`` at a time.

    Limits: ``per_picture`` and ``per_request`` bytes; ``seconds`` for a picture, redirects included.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        per_picture: int,
        per_request: int,
        seconds: float,
        resolve: Resolve | None = None,
    ) -> None:
        self._policy, self._per_picture, self._per_request = policy, per_picture, per_request
        self._seconds = seconds
        self._resolve = resolve or _resolve
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        # No proxy and no .netrc from the environment. No keep-alive: a reused connection would skip the address check.
        self._http = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            headers=HEADERS,
            timeout=seconds,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def fetch_all(self, pictures: Sequence[PictureSource]) -> list[bytes | PictureError]:
        """The bytes of each picture, or the error of one that cannot be fetched."""
        files = [one for one in pictures if isinstance(one, bytes)]
        if len(files) == len(pictures):
            return list(files)
        budget = _ByteBudget(self._per_request)
        return list(await asyncio.gather(*(self._fetch_one(picture, budget) for picture in pictures)))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _fetch_one(self, picture: PictureSource, budget: _ByteBudget) -> bytes | PictureError:
        if not isinstance(picture, Url):
            return picture
        try:
            return await self._fetch(picture.text, budget)
        except PictureError as error:
            return error

    async def _fetch(self, text: str, budget: _ByteBudget) -> bytes:
        if not self._policy.hosts:
            raise UrlRefused(
                "got a URL, but this server does not fetch URLs; send the picture itself, or ask the operator to list "
                "its host in COPYSIGHT_FETCH_HOSTS"
            )
        try:
            async with self._slots, asyncio.timeout(self._seconds):
                return await self._follow_redirects(text, budget)
        except TimeoutError as error:
            raise FetchFailed(f"got a URL that did not send its complete answer within {self._seconds:g} s") from error
        except httpx.HTTPError as error:
            raise FetchFailed(f"got a URL that cannot be fetched ({type(error).__name__})") from error

    async def _follow_redirects(self, text: str, budget: _ByteBudget) -> bytes:
        url = _parsed(text)
        for _ in range(REDIRECTS + 1):
            answer = await self._get(await self._target(url), budget)
            if isinstance(answer, bytes):
                return answer
            url = _parsed(answer.text, url)
        raise FetchFailed(f"got a URL that redirects more than {REDIRECTS} times")

    async def _get(self, target: _Target, budget: _ByteBudget) -> bytes | Url:
        """The body, or the URL of a redirect."""
        # TLS checks the certificate against the host name, not the address.
        extensions = {"sni_hostname": target.name}
        async with self._http.stream("GET", target.url, headers={"Host": target.host}, extensions=extensions) as answer:
            if answer.is_redirect and "location" in answer.headers:
                return Url(answer.headers["location"])
            if answer.status_code != httpx.codes.OK:
                raise FetchFailed(f"got a URL that returns status {answer.status_code}; it must return 200")
            return await self._body(answer, budget)

    async def _body(self, answer: httpx.Response, budget: _ByteBudget) -> bytes:
        data = bytearray()
        async for part in answer.aiter_raw():  # raw: a compressed body is not decompressed
            data += part
            budget.remaining -= len(part)
            if len(data) > self._per_picture:
                raise TooManyBytes(f"got a URL with more than {self._per_picture:,} bytes, the limit of a picture")
            if budget.remaining < 0:
                raise TooManyBytes(f"got URLs with more than {self._per_request:,} bytes, the limit of a request")
        return bytes(data)

    async def _target(self, url: httpx.URL) -> _Target:
        name, port = url.raw_host.decode().lower(), url.port or PORTS[url.scheme]
        if not self._policy.allows_host(url.scheme, name, port):
            raise UrlRefused(
                "got a URL whose host and port are not on the server's list of allowed hosts; send the picture itself"
            )
        try:
            found = await self._resolve(name, port)
            addresses = [ipaddress.ip_address(one) for one in found]
        except (OSError, ValueError, UnicodeError) as error:
            raise FetchFailed("got a URL whose host cannot be resolved") from error
        # All addresses must be allowed, because the DNS server controls their order.
        if not addresses or not all(self._policy.allows_address(address) for address in addresses):
            raise UrlRefused("got a URL whose host is not on the public internet; send the picture itself")
        return _Target(url.copy_with(host=str(addresses[0])), url.netloc.decode(), name)


def is_url(text: str) -> bool:
    """Whether a string is a URL. Base64 and data URIs contain no ``://``."""
    return "://" in text[:64]


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise UrlRefused("got a URL that cannot be parsed") from error
    if url.scheme not in PORTS:
        raise UrlRefused("got a URL that is neither http nor https")
    if url.userinfo or not url.host:
        raise UrlRefused("got a URL with a password or without a host")
    if url.port == 0:
        raise UrlRefused("got a URL with port 0")
    if _is_odd_number(url.host):
        raise UrlRefused("got a URL whose host is a number in an unusual form; use a host name")
    return url


def _is_odd_number(host: str) -> bool:
    """Numbers such as 2130706433, 0x7f.1, 017700000001 and 127.1, which resolvers accept as IPv4 addresses."""
    last = host.rstrip(".").rpartition(".")[2]
    if ":" in host or not last:
        return False
    numeric = last.isdigit() or last.lower().startswith("0x")
    try:
        return numeric and not IPv4Address(host)
    except ValueError:
        return numeric


def _plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address, if there is one: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address.teredo is not None:
        return address.teredo[1]
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _matches(entry: str, default: int, name: str, port: int) -> bool:
    listed, _, number = entry.partition(":")
    if port != int(number or default):
        return False
    if listed.startswith("*."):
        return name.endswith(listed[1:])
    return listed in {"*", name}


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


async def _resolve(name: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
