"""Resolve the host of a URL once, check its addresses, and connect to the one that was checked (against SSRF).

A DNS server that answers differently the second time (DNS rebinding) then has no effect.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpx

from copysight.errors import InvalidArgument
from service.http.problems import FetchFailed, UrlRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]
PORTS = {"http": 80, "https": 443}
NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class CheckedUrl:
    """A URL whose host is a checked address, the Host header, and the host name, which TLS certificates have."""

    url: httpx.URL
    host: str
    name: str

    @property
    def extensions(self) -> dict[str, str]:
        """For httpx: check the certificate against the host name, not the address."""
        return {"sni_hostname": self.name}


def networks(text: str, variable: str) -> tuple[Network, ...]:
    """Networks from the text of a setting, separated by commas. Raises ``InvalidArgument``."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidArgument(f"{variable}: {error}; write for example 10.1.0.0/16") from error


def is_allowed(address: Address, private: tuple[Network, ...]) -> bool:
    """Whether connections to an address are allowed: it is public, or in one of the ``private`` networks."""
    plain = _plain(address)
    if any(plain in network for network in private if network.version == plain.version):
        return True
    return plain.is_global and not (plain.is_multicast or plain.is_reserved or plain.is_unspecified)


async def check(url: httpx.URL, private: tuple[Network, ...], resolve: Resolve, hint: str = "") -> CheckedUrl:
    """Resolve a parsed URL and check all its addresses. Raises ``UrlRefused``, ``FetchFailed``."""
    name, port = url.raw_host.decode().lower(), url.port or PORTS[url.scheme]
    try:
        found = await resolve(name, port)
        addresses = [ipaddress.ip_address(one) for one in found]
    except (OSError, ValueError, UnicodeError) as error:
        raise FetchFailed("got a URL whose host cannot be resolved") from error
    # All addresses must be allowed, because the DNS server controls their order.
    if not addresses or not all(is_allowed(address, private) for address in addresses):
        raise UrlRefused(f"got a URL whose host is not on the public internet{hint}")
    return CheckedUrl(url.copy_with(host=str(addresses[0])), url.netloc.decode(), name)


def parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL with a scheme and a host that a server may connect to, by name. Raises ``UrlRefused``."""
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


async def resolved(name: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


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
