"""Models of a running service, and which of them answers queries."""

import logging
import threading
from dataclasses import asdict

from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from service.inference import precision
from service.inference.precision import Choice

log = logging.getLogger("copysight.models")
KEPT = 4
"""Loaded models: that of queries and that of adds, of the live bundle and of the one before."""


class Models:
    """Embedders by bundle and precision; a generation of another bundle brings its own."""

    def __init__(self, provider: str, variant: str) -> None:
        self._provider, self._variant = provider, variant
        self._lock = threading.RLock()
        self._loaded: dict[tuple[str, str], Embedder] = {}
        self._choices: dict[tuple[str, str], Choice] = {}

    def of(self, bundle: Bundle, variant: str) -> Embedder:
        """The embedder of a bundle, loaded once; blocks while it loads."""
        with self._lock:
            key = (bundle.id, variant)
            return self._loaded.get(key) or self._keep(key, self._made(bundle, variant))

    def choice(self, bundle: Bundle, made_with: str) -> Choice:
        """The precision of queries against vectors of ``made_with``; the first call measures, which takes a moment.

        Raises ``InvalidArgument`` when the setting asks for one that cannot be.
        """
        with self._lock:
            key = (bundle.id, made_with)
            if key not in self._choices:
                self._choices[key], embedder = precision.choose(
                    bundle, made_with, self._variant, self._provider, lambda variant: self._made(bundle, variant)
                )
                self._keep((bundle.id, self._choices[key].variant), embedder)
                fields = {"bundle": bundle.name, "index": made_with} | asdict(self._choices[key])
                log.info("precision of queries", extra={"fields": fields})
            return self._choices[key]

    def at_hand(self, bundle: Bundle, made_with: str) -> Embedder | None:
        """The embedder of queries against vectors of ``made_with``, if it is chosen and loaded; never waits."""
        choice = self._choices.get((bundle.id, made_with))
        return None if choice is None else self._loaded.get((bundle.id, choice.variant))

    def _made(self, bundle: Bundle, variant: str) -> Embedder:
        return Embedder(bundle, Runtime(variant=variant, provider=self._provider))

    def _keep(self, key: tuple[str, str], embedder: Embedder) -> Embedder:
        self._loaded = dict(list(self._loaded.items())[1 - KEPT :]) | {key: embedder}
        return embedder
