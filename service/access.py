"""Who may do what: every route says which scope it needs, and is asked before a body is read."""

import ipaddress
from dataclasses import dataclass

from fastapi import Depends, Request

from service import threads
from service.errors import KeyMissing, KeyUnknown, ScopeMissing
from service.keys import Key, Keys, Scope
from service.settings import Settings
from service.state import State


def opened(settings: Settings) -> Keys | None:
    """The keys that requests must show; None where nobody is asked.

    ``auth`` decides; left empty, keys are asked for wherever others can reach the address.
    """
    asks = settings.auth == "keys" or (settings.auth == "" and not is_loopback(settings.host))
    return Keys(settings.index) if asks else None


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
    """The dependency of a route: a request without a key of this scope goes no further. Raises ``ScopeMissing``."""

    scope: Scope

    async def __call__(self, request: Request) -> None:
        """Look at the key of a request."""
        key = await caller(request)
        if key is not None and not key.allows(self.scope):
            raise ScopeMissing(f"this needs a key of scope {self.scope}, the key {key.name!r} has {key.scope}")


READ, WRITE, ADMIN = Depends(Needs("read")), Depends(Needs("write")), Depends(Needs("admin"))
