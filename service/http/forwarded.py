"""Serve behind a proxy: path prefix (``COPYSIGHT_ROOT_PATH``, ``X-Forwarded-Prefix``), scheme and client's address.

The headers count only when they come from a trusted peer. A prefix may hold no character that leaves this host in a
``Location`` (``//other.example``). Every address in an answer starts with the scope's ``root_path``.
"""

import ipaddress
import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from service.runtime.settings import Settings

PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
LONGEST = 200  # characters of a prefix
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Forwarded:
    """Set prefix and scheme of each request. ``is_call``: whether a path without any prefix is one of the API."""

    def __init__(self, settings: Settings, is_call: Callable[[Scope], bool]) -> None:
        parts = [part.strip() for part in settings.trusted_proxies.split(",") if part.strip()]
        self._everybody = "*" in parts
        self._networks = [ipaddress.ip_network(part) for part in parts if part != "*"]
        self._root_path, self._is_call = settings.root_path, is_call

    def apply(self, scope: Scope) -> Scope:
        """The scope as the routes need it: ``root_path`` is the prefix, and ``path`` begins with it (ASGI)."""
        prefix, scheme = self._root_path, scope["scheme"]
        if any(name.startswith(b"x-forwarded-") for name, _ in scope["headers"]) and self._trusts(scope):
            headers = Headers(scope=scope)
            prefix = self._prefix(headers, prefix)
            scheme = _scheme(headers, scheme)
            scope = {**scope, "client": self._client(headers, scope)}
        if not prefix:
            return scope if scheme == scope["scheme"] else {**scope, "scheme": scheme}
        path = self._without(prefix, scope)
        return {**scope, "scheme": scheme, "root_path": prefix, "path": prefix + path}

    def _trusts(self, scope: Scope) -> bool:
        if self._everybody:
            return True
        try:
            return self._is_proxy(scope["client"][0])
        except TypeError:  # no address, for example of a Unix socket
            return False

    def _is_proxy(self, text: str) -> bool:
        try:
            peer = ipaddress.ip_address(text)
        except ValueError:
            return False
        plain = getattr(peer, "ipv4_mapped", None) or peer
        return any(plain in network for network in self._networks if network.version == plain.version)

    def _client(self, headers: Headers, scope: Scope) -> tuple[str, int]:
        """The address that the first trusted proxy names: each adds that of its peer at the end of the list."""
        parts = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for part in reversed([part.strip() for part in parts]):
            if not _is_address(part):
                break
            if self._everybody or not self._is_proxy(part):
                return part, 0
        return tuple(scope["client"] or ("", 0))

    def _prefix(self, headers: Headers, otherwise: str) -> str:
        """Each proxy adds its prefix to the list. A list with an invalid one is left out of account."""
        given = ",".join(headers.getlist("x-forwarded-prefix"))
        found = "".join(part.strip().rstrip("/") for part in given.split(","))
        return found if given.strip() and len(found) <= LONGEST and PREFIX.fullmatch(found) else otherwise

    def _without(self, prefix: str, scope: Scope) -> str:
        """The path without ``prefix``. The proxy may have removed it already: ``/search`` under ``/search``."""
        path: str = scope["path"]
        if not f"{path}/".startswith(f"{prefix}/") or self._is_call(scope):
            return path
        return path[len(prefix) :]


def route_path(scope: Scope) -> str:
    """The path of a request without the prefix."""
    return str(scope["path"])[len(scope.get("root_path", "")) :]


def address(request: Request, path: str) -> str:
    """A path of this API as a client of the proxy has to write it, for ``Location``."""
    return f"{request.scope.get('root_path', '')}{path}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _scheme(headers: Headers, otherwise: str) -> str:
    given = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return given if given in {"http", "https"} else otherwise
