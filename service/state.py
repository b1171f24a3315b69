"""What a running service holds: complete from the start, passed by argument."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from copysight.index import Index, Snapshot
from copysight.model.embedder import Embedder
from service.auth.keys import Keys
from service.inference.batching import Batcher
from service.inference.models import Models
from service.inference.precision import Choice
from service.intake.decoding import Decoding
from service.intake.url_fetch import Fetcher
from service.jobs.rebuilds import Rebuilder
from service.runtime import threads
from service.runtime.metrics import Metrics
from service.runtime.settings import Settings


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

    async def opened(self) -> Opened:
        """The index as it is now, and the model to ask it with; a thread is troubled only where something is new."""
        found = self._at_hand()
        return found if found is not None else await threads.on(self.searchers, self._open)

    def _at_hand(self) -> Opened | None:
        snapshot = self.index.unchanged()
        embedder = snapshot and self.models.at_hand(snapshot.bundle, snapshot.variant)
        return Opened(snapshot, embedder) if snapshot and embedder else None

    def _open(self) -> Opened:
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
