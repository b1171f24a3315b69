"""Traces and metrics for a collector of OpenTelemetry (OTLP over HTTP); without an address nothing is made.

A request is a span, and each stage of it a child with the name that the stage has in the metrics.
"""

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from copysight.system.imports import extras

T = TypeVar("T")
Span = Any
_CURRENT: ContextVar[Span | None] = ContextVar("span", default=None)


class Telemetry(Protocol):
    """Sends what it hears of requests and stages."""

    def begin(self, headers: Mapping[str, str]) -> Span:
        """A span of a request; ``traceparent`` of its headers names the span of the caller."""

    def end(self, span: Span, method: str, route: str, status: int, request: str, seconds: float) -> None:
        """The request was answered."""

    def stage(self, name: str, seconds: float, spans: Iterable[Span]) -> None:
        """A stage of these requests has just ended."""

    def close(self) -> None:
        """Send what is left."""


def create(address: str) -> Telemetry | None:
    """What sends to a collector at ``address``; None without an address. Raises ``InvalidArgument``."""
    if not address:
        return None
    module = extras.load("service.runtime.otlp", "COPYSIGHT_OTLP", "opentelemetry-sdk", "otel")
    made: Telemetry = module.Otlp(address)
    return made


def enter(span: Span | None) -> None:
    """From now on, stages in this context belong to a request."""
    _CURRENT.set(span)


def current() -> Span | None:
    """The span of the request that this context belongs to."""
    return _CURRENT.get()


def within(span: Span | None, work: Callable[[], T]) -> T:
    """Do work for a request, in a thread of its own."""
    if span is None:
        return work()
    token = _CURRENT.set(span)
    try:
        return work()
    finally:
        _CURRENT.reset(token)
