"""Pictures fetched from addresses that a caller names: off unless hosts are allowed, and never from inside the house.

A name is resolved once and the connection goes to the address that was checked, so that a resolver which answers
differently the second time gains nothing. Each redirect passes the same checks. Time and bytes are capped.
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
AT_A_TIME = 16
NAT64 = IPv6Network("64:ff9b::/96")
HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "copysight"}


@dataclass(frozen=True)
class Url:
    """An address in the place of a picture's bytes, as the caller wrote it."""

    text: str


Given = bytes | Url | PictureError
"""A picture as it came in: its bytes, where to fetch them, or why it could not be read."""


@dataclass(frozen=True)
class Allowed:
    """Who may be asked: hosts (``name``, ``name:port``, ``*.name``, ``*``), and private networks that are no secret."""

    hosts: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Allowed":
        """What the settings say. Raises ``InvalidArgument``."""
        try:
            networks = tuple(ipaddress.ip_network(part) for part in _parts(settings.fetch_networks))
        except ValueError as error:
            raise InvalidArgument(f"COPYSIGHT_FETCH_NETWORKS: {error}; write for example 10.1.0.0/16") from error
        return cls(tuple(part.lower() for part in _parts(settings.fetch_hosts)), networks)

    def host(self, scheme: str, name: str, port: int) -> bool:
        """Whether a host and its port are on the list; without a port an entry means the scheme's own."""
        return any(_matches(entry, PORTS[scheme], name, port) for entry in self.hosts)

    def address(self, address: Address) -> bool:
        """Whether an address may be connected to: a public one, or one of ``networks``."""
        plain = _plain(address)
        if any(plain in network for network in self.networks if network.version == plain.version):
            return True
        return plain.is_global and not (plain.is_multicast or plain.is_reserved or plain.is_unspecified)


@dataclass(frozen=True)
class _Target:
    """Where one request goes: a URL whose host is a checked address, and the name that it is asked for."""

    url: httpx.URL
    host: str
    name: str


@dataclass
class _Purse:
    """Bytes that all fetches of one request may still bring in: they are held in memory together."""

    left: int


class Fetcher:
    """Fetches pictures, some at a time, for all requests.

    ``most`` bytes a picture and ``together`` of one request; ``seconds`` of a picture, with its redirects.
    """

    def __init__(
        self, allowed: Allowed, most: int, together: int, seconds: float, resolve: Resolve | None = None
    ) -> None:
        self._allowed, self._most, self._together, self._seconds = allowed, most, together, seconds
        self._resolve = resolve or _resolved
        self._few = asyncio.Semaphore(AT_A_TIME)
        # No proxy and no .netrc of the surroundings; a kept connection would be one to an address checked before.
        self._http = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            headers=HEADERS,
            timeout=seconds,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def all(self, pictures: Sequence[Given]) -> list[bytes | PictureError]:
        """The bytes of each picture, or the error of one that cannot be fetched."""
        given = [one for one in pictures if isinstance(one, bytes)]
        if len(given) == len(pictures):
            return list(given)
        purse = _Purse(self._together)
        return list(await asyncio.gather(*(self._one(picture, purse) for picture in pictures)))

    async def close(self) -> None:
        """Let go of what it holds."""
        await self._http.aclose()

    async def _one(self, picture: Given, purse: _Purse) -> bytes | PictureError:
        if not isinstance(picture, Url):
            return picture
        try:
            return await self._fetch(picture.text, purse)
        except PictureError as error:
            return error

    async def _fetch(self, text: str, purse: _Purse) -> bytes:
        if not self._allowed.hosts:
            raise UrlRefused(
                "got a URL, but this server fetches none; send the picture itself, or have the operator list hosts in "
                "COPYSIGHT_FETCH_HOSTS"
            )
        try:
            async with self._few, asyncio.timeout(self._seconds):
                return await self._followed(text, purse)
        except TimeoutError as error:
            raise FetchFailed(f"got a URL that did not answer in full within {self._seconds:g} s") from error
        except httpx.HTTPError as error:
            raise FetchFailed(f"got a URL that cannot be fetched ({type(error).__name__})") from error

    async def _followed(self, text: str, purse: _Purse) -> bytes:
        url = _parsed(text)
        for _ in range(REDIRECTS + 1):
            answer = await self._asked(await self._target(url), purse)
            if isinstance(answer, bytes):
                return answer
            url = _parsed(answer.text, url)
        raise FetchFailed(f"got a URL that redirects more than {REDIRECTS} times")

    async def _asked(self, target: _Target, purse: _Purse) -> bytes | Url:
        """The body, or where it redirects to."""
        # The certificate is checked against the name, not against the address.
        extensions = {"sni_hostname": target.name}
        async with self._http.stream("GET", target.url, headers={"Host": target.host}, extensions=extensions) as answer:
            if answer.is_redirect and "location" in answer.headers:
                return Url(answer.headers["location"])
            if answer.status_code != httpx.codes.OK:
                raise FetchFailed(f"got a URL that answers with status {answer.status_code}; needed is 200")
            return await self._body(answer, purse)

    async def _body(self, answer: httpx.Response, purse: _Purse) -> bytes:
        data = bytearray()
        async for part in answer.aiter_raw():  # raw: a compressed body is never blown up
            data += part
            purse.left -= len(part)
            if len(data) > self._most:
                raise TooManyBytes(f"got a URL of more than {self._most:,} bytes, the most of one picture")
            if purse.left < 0:
                raise TooManyBytes(f"got URLs of more than {self._together:,} bytes, the most of one request")
        return bytes(data)

    async def _target(self, url: httpx.URL) -> _Target:
        name, port = url.raw_host.decode().lower(), url.port or PORTS[url.scheme]
        if not self._allowed.host(url.scheme, name, port):
            raise UrlRefused("got a URL whose host and port are not on the server's list; send the picture itself")
        try:
            found = await self._resolve(name, port)
            addresses = [ipaddress.ip_address(one) for one in found]
        except (OSError, ValueError, UnicodeError) as error:
            raise FetchFailed("got a URL whose host has no address") from error
        # One bad address among good ones is enough: which one is taken would be the resolver's choice.
        if not addresses or not all(self._allowed.address(address) for address in addresses):
            raise UrlRefused("got a URL whose host is not on the public internet; send the picture itself")
        return _Target(url.copy_with(host=str(addresses[0])), url.netloc.decode(), name)


def is_url(text: str) -> bool:
    """Whether a text in the place of a picture is meant as an address: base64 and data URIs have no ``://``."""
    return "://" in text[:64]


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise UrlRefused("got a URL that cannot be read") from error
    if url.scheme not in PORTS:
        raise UrlRefused("got a URL that is neither http nor https")
    if url.userinfo or not url.host:
        raise UrlRefused("got a URL with a password or without a host")
    if url.port == 0:
        raise UrlRefused("got a URL of port 0")
    if _is_odd_number(url.host):
        raise UrlRefused("got a URL whose host is a number in an unusual form; write a name")
    return url


def _is_odd_number(host: str) -> bool:
    """2130706433, 0x7f.1, 017700000001, 127.1: what resolvers read as an address and people do not."""
    last = host.rstrip(".").rpartition(".")[2]
    if ":" in host or not last:
        return False
    numeric = last.isdigit() or last.lower().startswith("0x")
    try:
        return numeric and not IPv4Address(host)
    except ValueError:
        return numeric


def _plain(address: Address) -> Address:
    """The IPv4 address within an IPv6 one, if there is one: mapped, 6to4, Teredo, NAT64."""
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


async def _resolved(name: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
