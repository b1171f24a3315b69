"""Reject cross-site browser requests when the server has no API keys.

A server on loopback needs no key. But any web page that its owner opens can make the browser send requests to it. The
page cannot read the answers, but the requests would take effect. With a domain name that it points to 127.0.0.1 (DNS
rebinding), the page could read the answers, too.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request

from service.http.problems import SiteRefused
from service.runtime.settings import Settings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_SITE = {"same-origin", "none"}
"""Values of ``Sec-Fetch-Site`` for the server's own page, and for an address that the user typed."""


def check(request: Request, settings: Settings) -> None:
    """Check a request without a key. Raises ``SiteRefused``."""
    host = request.headers.get("host", "")
    # An explicit `none` allows any host name, because a proxy may be in front of the server.
    if settings.auth == "" and not _is_local_host(host):
        raise SiteRefused(
            f"got a request for the host {host[:80]!r}; a server without API keys only accepts localhost and addresses "
            "as its host, since another site may own a name; use 127.0.0.1, or start the server with "
            "COPYSIGHT_AUTH=keys (or none)"
        )
    if request.method not in SAFE_METHODS and not _same_site(request, host, settings):
        raise SiteRefused(
            "got a request from a page of another site; a server without API keys accepts them only from its own page "
            "and from the sites in COPYSIGHT_CORS_ORIGINS"
        )


@lru_cache(64)
def _is_local_host(host: str) -> bool:
    return is_local(_parts(f"//{host}").hostname)


def is_local(name: str | None) -> bool:
    """Whether a host is an IP address (which no other site can own), a name of this machine, or missing."""
    try:
        ipaddress.ip_address(name or "127.0.0.1")  # no host: not a browser
    except ValueError:
        return name == "localhost" or str(name).endswith(".localhost")
    return True


def _same_site(request: Request, host: str, settings: Settings) -> bool:
    """Judge by the headers that browsers send. A client that sends neither header is not a browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if (site is None and origin is None) or {"*", origin} & set(settings.origins):
        return True
    return site in OWN_SITE if site is not None else _parts(str(origin)).netloc == host


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # for example half an IPv6 address
        return SplitResult("", "unreadable", "", "", "")
