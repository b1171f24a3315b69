"""Fetch pictures from the URLs of requests, only from allowed hosts and networks (protection against SSRF).

Each host name is resolved once, and the connection goes to the address that was checked. So a DNS server that answers
differently the second time (DNS rebinding) has no effect. Each redirect passes the same checks. Time and bytes are
limited.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from copysight.errors import PictureError, TooManyBytes
from service.http.problems import FetchFailed, UrlRefused
from service.intake import checked_address
from service.intake.checked_address import PORTS, Address, CheckedUrl, Network, Resolve, parsed
from service.runtime.settings import Settings

REDIRECTS = 3
MAX_CONCURRENT = 16
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
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "FetchPolicy":
        """From the settings. Raises ``InvalidArgument``."""
        networks = checked_address.networks(settings.fetch_networks, "COPYSIGHT_FETCH_NETWORKS")
        return cls(tuple(part.lower() for part in _parts(settings.fetch_hosts)), networks)

    def allows_host(self, scheme: str, name: str, port: int) -> bool:
        """Whether the list allows a host and port. An entry without a port allows only the scheme's default port."""
        return any(_matches(entry, PORTS[scheme], name, port) for entry in self.hosts)

    def allows_address(self, address: Address) -> bool:
        """Whether connections to an address are allowed: it is public, or in one of ``networks``."""
        return checked_address.is_allowed(address, self.networks)


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
        self._resolve = resolve or checked_address.resolved
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
        url = parsed(text)
        for _ in range(REDIRECTS + 1):
            answer = await self._get(await self._target(url), budget)
            if isinstance(answer, bytes):
                return answer
            url = parsed(answer.text, url)
        raise FetchFailed(f"got a URL that redirects more than {REDIRECTS} times")

    async def _get(self, target: CheckedUrl, budget: _ByteBudget) -> bytes | Url:
        """The body, or the URL of a redirect."""
        headers, extensions = {"Host": target.host}, target.extensions
        async with self._http.stream("GET", target.url, headers=headers, extensions=extensions) as answer:
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

    async def _target(self, url: httpx.URL) -> CheckedUrl:
        name, port = url.raw_host.decode().lower(), url.port or PORTS[url.scheme]
        if not self._policy.allows_host(url.scheme, name, port):
            raise UrlRefused(
                "got a URL whose host and port are not on the server's list of allowed hosts; send the picture itself"
            )
        return await checked_address.check(url, self._policy.networks, self._resolve, "; send the picture itself")


def is_url(text: str) -> bool:
    """Whether a string is a URL. Base64 and data URIs contain no ``://``."""
    return "://" in text[:64]


def _matches(entry: str, default: int, name: str, port: int) -> bool:
    listed, _, number = entry.partition(":")
    if port != int(number or default):
        return False
    if listed.startswith("*."):
        return name.endswith(listed[1:])
    return listed in {"*", name}


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
