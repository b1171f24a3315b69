"""The objects that live as long as the service: index, models, pools, metrics. Complete at the start, never changed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from copysight.duplicates.review.listing import Review
from copysight.index import Index, Snapshot
from copysight.model.embedder import Embedder
from service.auth.keys import Keys
from service.auth.meter import KeyMeter
from service.inference.batching import Batcher
from service.inference.models import Models
from service.inference.precision import Choice
from service.intake.decoding import Decoder
from service.intake.url_fetch import Fetcher
from service.jobs.duplicates import DuplicateSearches
from service.jobs.rebuilds import Rebuilder
from service.jobs.webhooks import WebhookSender
from service.moderation.looking_back import QueryMemory
from service.moderation.rules import CurrentRules
from service.runtime import threads
from service.runtime.metrics import Metrics
from service.runtime.settings import Settings


@dataclass(frozen=True)
class QueryContext:
    """The snapshot and the embedder that one request uses from its start to its end."""

    snapshot: Snapshot
    embedder: Embedder


@dataclass(frozen=True)
class State:
    """Index, models, pools and metrics of one service.

    With a pool of ``decoders``, it decodes and preprocesses at most ``decode_ahead`` pictures of one request at a time.
    Without it (None), the runners of the batcher do that. ``keys`` is None when the server needs no API keys.
    """

    settings: Settings
    index: Index
    models: Models
    batcher: Batcher
    fetcher: Fetcher
    decoder: Decoder
    decoders: ThreadPoolExecutor | None
    decode_ahead: int
    searchers: ThreadPoolExecutor
    metrics: Metrics
    rebuilder: Rebuilder
    duplicates: DuplicateSearches
    review: Review
    rules: CurrentRules
    memory: QueryMemory
    keys: Keys | None
    meter: KeyMeter
    webhooks: WebhookSender

    async def query_context(self) -> QueryContext:
        """The current snapshot and its embedder. Uses a thread only when one of them has to be loaded."""
        cached = self._cached_context()
        return cached if cached is not None else await threads.run(self.searchers, self._load_context)

    def _cached_context(self) -> QueryContext | None:
        snapshot = self.index.unchanged()
        embedder = snapshot and self.models.loaded_embedder(snapshot.bundle, snapshot.variant)
        return QueryContext(snapshot, embedder) if snapshot and embedder else None

    def _load_context(self) -> QueryContext:
        snapshot = self.index.snapshot()
        return QueryContext(snapshot, self.embedder(snapshot))

    def embedder(self, snapshot: Snapshot) -> Embedder:
        """The embedder for queries against a snapshot."""
        choice = self.models.choice(snapshot.bundle, snapshot.variant)
        return self.models.get(snapshot.bundle, choice.variant)

    def choice(self) -> Choice:
        """The precision of queries against the current snapshot; blocks."""
        snapshot = self.index.snapshot()
        return self.models.choice(snapshot.bundle, snapshot.variant)

    def writer(self, snapshot: Snapshot) -> Embedder:
        """The embedder for added pictures. It has the precision that made the index."""
        return self.models.get(snapshot.bundle, snapshot.variant)
