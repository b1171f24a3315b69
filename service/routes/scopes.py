"""Who may do what: every route says which scope it needs, and is asked before a body is read."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from copysight.errors import InvalidArgument
from service.auth import cross_site
from service.auth.keys import Key, Keys, Scope
from service.http.problems import KeyMissing, KeyUnknown, ScopeMissing
from service.runtime import threads
from service.runtime.settings import Settings
from service.state import State


def opened(settings: Settings) -> Keys | None:
    """The keys that requests must show; None where nobody is asked.

    ``auth`` decides; left empty, keys are asked for wherever others can reach the address.
    """
    return Keys(settings.index) if asks(settings) else None


def asks(settings: Settings) -> bool:
    """Whether a request must show a key."""
    return settings.auth == "keys" or (settings.auth == "" and not is_loopback(settings.host))


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def caller(request: Request) -> Key | None:
    """The key of a request; None where nobody is asked. Raises ``KeyMissing``, ``KeyUnknown``."""
    state: State = request.app.state.copysight
    if state.keys is None:
        return None
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    shown = value.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not shown:
        raise KeyMissing(
            "this server wants a key: send the header `Authorization: Bearer KEY`; whoever runs it makes one by "
            "`copysight keys add NAME --index DIR`"
        )
    found = await threads.on(state.searchers, state.keys.find, shown)
    if found is None:
        raise KeyUnknown("this key is not known here; perhaps it was revoked")
    return found


@dataclass(frozen=True)
class Needs:
    """The dependency of a route: a request without a key of this scope goes no further.

    Raises ``ScopeMissing``, ``SiteRefused``, ``InvalidArgument``.
    """

    scope: Scope

    async def __call__(self, request: Request) -> None:
        """Look at the key of a request, or where it comes from; then at the names of its options."""
        key = await caller(request)
        if key is None:
            cross_site.check(request, request.app.state.copysight.settings)
        elif not key.allows(self.scope):
            raise ScopeMissing(f"this needs a key of scope {self.scope}, the key {key.name!r} has {key.scope}")
        check_options(request)


def check_options(request: Request) -> None:
    """Refuse options that nobody would read: `colection`, say, would search all of them. Raises ``InvalidArgument``."""
    if not request.scope["query_string"]:
        return
    known = [one.alias for one in request.scope["route"].dependant.query_params]
    if unknown := [name for name in request.query_params if name not in known]:
        beside = f"known are {', '.join(known)}" if known else "none is known here"
        raise InvalidArgument(f"got the option {unknown[0][:80]!r} in the address; {beside}")


def describe(app: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Let the OpenAPI text say that keys are asked for, how they are shown, and which scope each call needs."""
    made = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        text = made()
        text.setdefault("components", {})["securitySchemes"] = SCHEMES
        for path, calls in text["paths"].items():
            for method, call in calls.items():
                scope = needed.get((path, method.upper()))
                if scope is not None:
                    call["security"] = [{name: []} for name in SCHEMES]
                    call["description"] = f"{call.get('description', '')}\n\nNeeds a key of scope `{scope}`."
        return text

    needed = {
        (route.path, method): need.dependency.scope
        for route in routes
        if isinstance(route, APIRoute)
        for need in route.dependencies
        if isinstance(need.dependency, Needs)
        for method in route.methods or ()
    }
    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending the text


SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key in the header `Authorization: Bearer KEY`."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same in `X-API-Key: KEY`."},
}
READ, WRITE, ADMIN = Depends(Needs("read")), Depends(Needs("write")), Depends(Needs("admin"))
