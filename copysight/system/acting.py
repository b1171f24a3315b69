"""Who acts now: the key's name and the address of the request that is answered, for the audit trail."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Name of a key, and the address that the request came from.

    ``name`` is None without keys, ``address`` if no request caused the change: a command, or the service itself.
    """

    name: str | None = None
    address: str | None = None


NOBODY = Actor()
_current: ContextVar[Actor] = ContextVar("actor", default=NOBODY)


def current() -> Actor:
    """The actor of this context; ``NOBODY`` outside of requests."""
    return _current.get()


def begin(actor: Actor) -> None:
    """Act as ``actor`` until the end of this context, which is the request's task."""
    _current.set(actor)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Act as ``actor`` within the block."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)
