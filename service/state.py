"""What a running service holds: complete from the start, passed by argument."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from copysight.embedder import Embedder
from copysight.index import Index, Snapshot
from service.batching import Batcher
from service.decoding import Decoding
from service.fetching import Fetcher
from service.keys import Keys
from service.metrics import Metrics
from service.models import Models
from service.schedule import Rebuilder
from service.settings import Settings
from service.variants import Choice


@dataclass(frozen=True)
class Opened:
    """What a request with pictures works on, from its beginning to its end."""

    snapshot: Snapshot
    embedder: Embedder


@dataclass(frozen=True)
class State:
    """Index, models, pools and metrics of one service.

    Where there are ``decoders``, they prepare the pictures, ``few`` of a request at a time; else the batcher's runners
    do. ``keys`` is None where nobody is asked for one.
    """

    settings: Settings
    index: Index
    models: Models
    batcher: Batcher
    fetcher: Fetcher
    decoding: Decoding
    decoders: ThreadPoolExecutor | None
    few: int
    searchers: ThreadPoolExecutor
    metrics: Metrics
    rebuilder: Rebuilder
    keys: Keys | None

    def opened(self) -> "Opened":
        """The index as it is now, and the model to ask it with; blocks."""
        snapshot = self.index.snapshot()
        return Opened(snapshot, self.embedder(snapshot))

    def embedder(self, snapshot: Snapshot) -> Embedder:
        """The embedder of queries to a snapshot."""
        choice = self.models.choice(snapshot.bundle, snapshot.variant)
        return self.models.of(snapshot.bundle, choice.variant)

    def choice(self) -> Choice:
        """The precision of queries to the index as it is now; blocks."""
        snapshot = self.index.snapshot()
        return self.models.choice(snapshot.bundle, snapshot.variant)

    def writer(self, snapshot: Snapshot) -> Embedder:
        """The embedder of what is added: of the precision that made the index."""
        return self.models.of(snapshot.bundle, snapshot.variant)
