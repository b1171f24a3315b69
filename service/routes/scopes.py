"""Check the API key and scope of a request, before its body is read."""

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from copysight.errors import InvalidArgument
from copysight.system import acting
from copysight.system.acting import Actor
from service.auth import cross_site
from service.auth.keys import SCOPES, Key, Keys, Scope
from service.http.problems import KeyExpired, KeyMissing, KeyUnknown, ScopeMissing
from service.runtime import threads
from service.runtime.settings import Settings
from service.state import State


def open_keys(settings: Settings) -> Keys | None:
    """The API keys of the server; None if it needs none."""
    return Keys(settings.index) if keys_required(settings) else None


def keys_required(settings: Settings) -> bool:
    """Whether requests need a key. If ``auth`` is empty, they do unless the server listens on loopback."""
    return settings.auth == "keys" or (settings.auth == "" and not is_loopback(settings.host))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def current_key(request: Request) -> Key | None:
    """The key of a request; None if the server needs no keys. Raises ``KeyMissing``, ``KeyUnknown``, ``KeyExpired``."""
    state: State = request.app.state.copysight
    if state.keys is None:
        return None
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    given = value.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not given:
        raise KeyMissing(
            "got no API key; send the header `Authorization: Bearer KEY`; the operator of this server creates one with "
            "`copysight keys add NAME --index DIR`"
        )
    found = await threads.run(state.searchers, state.keys.find, given)
    if found is None:
        raise KeyUnknown("got an API key that is not known to this server; it may have been revoked")
    if found.expires is not None and time.time() >= found.expires:
        raise KeyExpired(f"got the API key {found.name!r}, which was valid until {_date(found.expires)}; use a new one")
    return found


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def key_name(request: Request) -> str | None:
    """The name of the key of a request whose scope was checked; None if the server needs no keys."""
    key: Key | None = request.state.key
    return None if key is None else key.name


@dataclass(frozen=True)
class RequireScope:
    """Dependency of a route that requires a key of a scope. It also counts the request, and says who acts.

    ``lenient``: unknown query parameters are ignored, as the API that is imitated does.

    Raises ``KeyMissing``, ``KeyUnknown``, ``KeyExpired``, ``QuotaExceeded``, ``ScopeMissing``, ``SiteRefused``,
    ``InvalidArgument``.
    """

    scope: Scope
    lenient: bool = False

    async def __call__(self, request: Request) -> None:
        """Check the key of a request (without keys: its origin), then the names of its query parameters."""
        key = await current_key(request)
        request.state.key = key
        acting.begin(Actor(key.name if key else None, request.client.host if request.client else None))
        if key is not None:
            request.app.state.copysight.meter.count(key)
        if key is None:
            cross_site.check(request, request.app.state.copysight.settings)
        elif not key.allows(self.scope):
            raise ScopeMissing(
                f"this call needs a key of scope {self.scope}; the key {key.name!r} has the scope {key.scope}"
            )
        if not self.lenient:
            check_parameters(request)


def check_parameters(request: Request) -> None:
    """Refuse unknown query parameters. Raises ``InvalidArgument``.

    A typo such as `colection` would otherwise search all collections.
    """
    if not request.scope["query_string"]:
        return
    known = [one.alias for one in request.scope["route"].dependant.query_params]
    if unknown := [name for name in request.query_params if name not in known]:
        names = f"known parameters are {', '.join(known)}" if known else "no parameters are known here"
        raise InvalidArgument(f"got the unknown query parameter {unknown[0][:80]!r}; {names}")


def describe(app: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Add the security schemes, and the scope that each call needs, to the OpenAPI document."""
    made = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        document = made()
        document.setdefault("components", {})["securitySchemes"] = SCHEMES
        for path, calls in document["paths"].items():
            for method, call in calls.items():
                scope = needed.get((path, method.upper()))
                if scope is not None:
                    call["security"] = [{name: []} for name in SCHEMES]
                    call["description"] = f"{call.get('description', '')}\n\nNeeds a key of scope `{scope}`."
        return document

    needed = {
        (route.path_format, method): need.dependency.scope
        for route in routes
        if isinstance(route, APIRoute)
        for need in route.dependencies
        if isinstance(need.dependency, RequireScope)
        for method in route.methods or ()
    }
    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "API key in the header `Authorization: Bearer KEY`."},
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same API key in the header `X-API-Key: KEY`.",
    },
}
READ, WRITE, ADMIN = Depends(RequireScope("read")), Depends(RequireScope("write")), Depends(RequireScope("admin"))
READ_LENIENT, WRITE_LENIENT, ADMIN_LENIENT = (Depends(RequireScope(scope, lenient=True)) for scope in SCOPES)
