"""What a running service holds: complete from the start, passed by argument."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from copysight.bundle import Bundle
from copysight.embedder import Embedder, Runtime
from copysight.index import Index, Snapshot
from service.batching import Batcher
from service.decoding import Decoding
from service.metrics import Metrics
from service.schedule import Rebuilder
from service.settings import Settings


class Models:
    """Embedders by bundle and precision; a generation of another bundle brings its own."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], Embedder] = {}

    def of(self, bundle: Bundle, variant: str) -> Embedder:
        """The embedder of a bundle, loaded once; blocks while it loads."""
        with self._lock:
            key = (bundle.id, variant)
            if key not in self._loaded:
                # A generation swap leaves at most the old model beside the new one.
                self._loaded = dict(list(self._loaded.items())[-1:])
                self._loaded[key] = Embedder(bundle, Runtime(variant=variant, provider=self._provider))
            return self._loaded[key]


@dataclass(frozen=True)
class Opened:
    """What a request with pictures works on, from its beginning to its end."""

    snapshot: Snapshot
    embedder: Embedder


@dataclass(frozen=True)
class State:
    """Index, models, pools and metrics of one service; ``few`` pictures of one request are decoded at a time."""

    settings: Settings
    index: Index
    models: Models
    batcher: Batcher
    decoding: Decoding
    decoders: ThreadPoolExecutor
    few: int
    searchers: ThreadPoolExecutor
    metrics: Metrics
    rebuilder: Rebuilder

    def opened(self) -> "Opened":
        """The index as it is now, and the model to ask it with; blocks."""
        snapshot = self.index.snapshot()
        return Opened(snapshot, self.embedder(snapshot))

    def embedder(self, snapshot: Snapshot) -> Embedder:
        """The embedder that belongs to a snapshot."""
        return self.models.of(snapshot.bundle, snapshot.variant)
