"""Pages of other sites: what a browser sends for them is refused where no key tells it from what its owner sends.

A server on loopback asks for no key, yet every page that its owner opens elsewhere can make the browser send a request
there: it cannot read the answer, but the request would be obeyed. And by a name of its own whose address it changes to
127.0.0.1 (DNS rebinding) it could read, too.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request

from service.http.problems import SiteRefused
from service.runtime.settings import Settings

SAFE = {"GET", "HEAD", "OPTIONS"}
OURS = {"same-origin", "none"}
"""What browsers say in ``Sec-Fetch-Site`` of our own page, and of an address that was typed in."""


def check(request: Request, settings: Settings) -> None:
    """Let a request without a key pass, or raise ``SiteRefused``."""
    host = request.headers.get("host", "")
    # With `none` said in so many words anything may be in front of the server, under any name.
    if settings.auth == "" and not _is_here(host):
        raise SiteRefused(
            f"got a request for the host {host[:80]!r}; a server without keys answers to localhost and to addresses, "
            "since a name may be another site's: ask for 127.0.0.1, or start it with COPYSIGHT_AUTH=keys (or none)"
        )
    if request.method not in SAFE and not _ours(request, host, settings):
        raise SiteRefused(
            "got a request of another site's page; without keys only pages of this server and of the sites in "
            "COPYSIGHT_CORS_ORIGINS may ask for this"
        )


@lru_cache(64)
def _is_here(host: str) -> bool:
    return is_local(_parts(f"//{host}").hostname)


def is_local(name: str | None) -> bool:
    """Whether a host is an address, which nobody else's name can stand for, or a name of this machine, or left out."""
    try:
        ipaddress.ip_address(name or "127.0.0.1")  # every browser sends a host
    except ValueError:
        return name == "localhost" or str(name).endswith(".localhost")
    return True


def _ours(request: Request, host: str, settings: Settings) -> bool:
    """As browsers tell it; who sends neither header is none."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if (site is None and origin is None) or {"*", origin} & set(settings.origins):
        return True
    return site in OURS if site is not None else _parts(str(origin)).netloc == host


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # half an IPv6 address, say
        return SplitResult("", "unreadable", "", "", "")
