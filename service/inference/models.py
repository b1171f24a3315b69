"""Load and cache the models of a running service, and choose the precision that answers queries."""

import logging
import threading
from dataclasses import asdict

from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from service.inference import precision
from service.inference.precision import Choice

log = logging.getLogger("copysight.models")
MAX_LOADED = 4
"""Loaded models: for queries and for adds, of the live bundle and of the previous one."""


class Models:
    """Embedders by bundle and precision. A generation of another bundle loads that bundle's models."""

    def __init__(self, provider: str, variant: str) -> None:
        self._provider, self._variant = provider, variant
        self._lock = threading.RLock()
        self._loaded: dict[tuple[str, str], Embedder] = {}
        self._choices: dict[tuple[str, str], Choice] = {}

    def get(self, bundle: Bundle, variant: str) -> Embedder:
        """The embedder of a bundle in one precision. It is loaded once; blocks while it loads."""
        with self._lock:
            key = (bundle.id, variant)
            return self._loaded.get(key) or self._cache(key, self._load(bundle, variant))

    def choice(self, bundle: Bundle, index_variant: str) -> Choice:
        """The precision of queries against vectors of the precision ``index_variant``. The first call measures it.

        Raises ``InvalidArgument`` when the setting names a precision that cannot be used.
        """
        with self._lock:
            key = (bundle.id, index_variant)
            if key not in self._choices:
                self._choices[key], embedder = precision.choose(
                    bundle, index_variant, self._variant, self._provider, lambda variant: self._load(bundle, variant)
                )
                self._cache((bundle.id, self._choices[key].variant), embedder)
                fields = {"bundle": bundle.name, "index": index_variant} | asdict(self._choices[key])
                log.info("precision of queries", extra={"fields": fields})
            return self._choices[key]

    def loaded_embedder(self, bundle: Bundle, index_variant: str) -> Embedder | None:
        """The embedder of queries if it is chosen and loaded, else None. Never blocks."""
        choice = self._choices.get((bundle.id, index_variant))
        return None if choice is None else self._loaded.get((bundle.id, choice.variant))

    def _load(self, bundle: Bundle, variant: str) -> Embedder:
        return Embedder(bundle, Runtime(variant=variant, provider=self._provider))

    def _cache(self, key: tuple[str, str], embedder: Embedder) -> Embedder:
        self._loaded = dict(list(self._loaded.items())[1 - MAX_LOADED :]) | {key: embedder}
        return embedder
