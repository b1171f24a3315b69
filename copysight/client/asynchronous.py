"""The asynchronous client."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Self

import httpx

from copysight.client import calls, desk_calls, sending
from copysight.client.answers import (
    Added,
    AuditPage,
    Caller,
    ClusterMove,
    ClusterMoves,
    Comparison,
    Decided,
    Deliveries,
    Duplicates,
    Embeddings,
    Fault,
    Float,
    Found,
    Group,
    Index,
    Item,
    Job,
    KeyState,
    ListState,
    Maps,
    MatchDecision,
    MatchDecisions,
    Members,
    Membership,
    Page,
    Plane,
    Ready,
    Review,
    Reviews,
    Webhook,
)
from copysight.client.options import DuplicateOptions, ListPolicy, MapMethod, New, Options
from copysight.client.pictures import Source
from copysight.client.retries import Retries
from copysight.client.senders import AsyncSender
from copysight.client.sending import UploadBatches

DEFAULT_OPTIONS, DEFAULT_RETRIES, ALL_DUPLICATES = Options(), Retries(), DuplicateOptions()


class AsyncClient:
    """Like ``Client``, for asyncio. Pictures are read and encoded in threads, so the event loop is never blocked."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        retries: Retries = DEFAULT_RETRIES,
        timeout: httpx.Timeout = sending.TIMEOUT,
    ) -> None:
        self._sender = AsyncSender(url, key, retries, timeout)
        self._do = self._sender.send

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    async def embed(self, pictures: Sequence[Source]) -> Embeddings:
        """Compute the embedding of each picture."""
        return await self._do(calls.embed, pictures)

    async def search(self, pictures: Sequence[Source], options: Options = DEFAULT_OPTIONS) -> Found:
        """Search the collection for copies of each picture."""
        return await self._do(calls.search, pictures, options)

    async def search_ids(self, ids: Sequence[int], options: Options = DEFAULT_OPTIONS) -> Found:
        """Search for copies of items of the collection, given by id."""
        return await self._do(calls.search_ids, ids, options)

    async def search_vectors(self, vectors: Float, options: Options = DEFAULT_OPTIONS) -> Found:
        """Search for vectors (N, D), as returned by ``embed``."""
        return await self._do(calls.search_vectors, vectors, options)

    async def compare(
        self, one: Source, other: Source, effort: str | None = None, verify: str | None = None, explain: bool = False
    ) -> Comparison:
        """Decide whether one of two pictures is a copy of the other; with ``explain``, also why."""
        return await self._do(calls.compare, one, other, effort, verify, explain)

    async def assign(self, pictures: Sequence[Source]) -> list[Membership | Fault]:
        """Get the prototypes and the cluster of each picture."""
        return await self._do(calls.assign, pictures)

    async def clusters(self) -> list[Group]:
        """List all clusters, the largest first."""
        return await self._do(calls.clusters)

    async def cluster(self, number: int, limit: int = 100, offset: int = 0) -> Members:
        """Get a cluster and its members."""
        return await self._do(calls.cluster, number, limit, offset)

    async def move_pictures(self, moves: Sequence[ClusterMove]) -> ClusterMoves:
        """Move pictures to other clusters, all or none. The moves ``before`` of the answer undo them."""
        return await self._do(calls.move_pictures, moves)

    async def name_cluster(self, number: int, name: str | None) -> Members:
        """Name a cluster, or remove its name with None."""
        return await self._do(calls.name_cluster, number, name)

    async def attention(
        self,
        pictures: Sequence[Source],
        head: int | None = None,
        threshold: float | None = None,
        method: MapMethod | None = None,
    ) -> list[Maps | Fault]:
        """Get the attention maps of each picture; with ``threshold``, also masks that contain this share of it.

        ``method`` is ``heads`` (the server's default) or ``objects``, one map of the object of each picture.
        """
        return await self._do(calls.attention, pictures, head, threshold, method)

    async def attention_png(
        self, picture: Source, head: int | None = None, threshold: float | None = None, method: MapMethod | None = None
    ) -> bytes:
        """Get the attention maps of a picture as a PNG drawing."""
        return await self._do(calls.attention_png, picture, head, threshold, method)

    async def add(self, new: New, replace: bool = False, match: bool = False) -> Added:
        """Add one picture. It is stored durably when this returns. With ``match``, also answer what it matches."""
        return await self._do(calls.add, new, replace, match)

    async def page(
        self,
        collection: str | None = None,
        key: str | None = None,
        after: int = 0,
        limit: int = 100,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the API's word
        state: str | None = None,
        text: str | None = None,
        sort: str | None = None,
        descending: bool = False,
        offset: int | None = None,
    ) -> Page:
        """Get one page of items, ordered by id; or sorted by `key`, `bytes`, `pixels` or `taken`, from an offset on."""
        return await self._do(calls.page, collection, key, after, limit, filter, state, text, sort, descending, offset)

    async def item(self, number: int) -> Item:
        """Get an item."""
        return await self._do(calls.item, number)

    async def set_metadata(self, number: int, metadata: Mapping[str, Any]) -> Item:
        """Replace an item's metadata."""
        return await self._do(calls.set_metadata, number, metadata)

    async def change(self, number: int, changes: Mapping[str, Any]) -> Item:
        """Change fields of an item: ``metadata, disabled, expires, note, labels, quarantined``."""
        return await self._do(calls.change, number, changes)

    async def lists(self) -> list[ListState]:
        """Get all lists by name."""
        return await self._do(calls.lists)

    async def put_list(self, policy: ListPolicy) -> ListState:
        """Make a collection a list, or replace the policy of a list."""
        return await self._do(calls.put_list, policy)

    async def delete_list(self, name: str) -> None:
        """Forget the policy of a list. Its collection and items stay."""
        return await self._do(calls.delete_list, name)

    async def decide_match(
        self,
        decision: str,
        match: int | None = None,
        reason: str = "",
        query: str | None = None,
        item: int | None = None,
    ) -> MatchDecision:
        """Decide (`confirm`, `deny`) about a ``match`` by its number, or about a ``query`` (sha256) and an ``item``."""
        return await self._do(calls.decide_match, decision, match, reason, query, item)

    async def withdraw_match_decision(self, number: int) -> None:
        """Withdraw a decision about a match by its id, as if it had not been made."""
        return await self._do(calls.withdraw_match_decision, number)

    async def match_decisions(
        self,
        list: str | None = None,  # noqa: A002 - the API's word
        item: int | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> MatchDecisions:
        """Get a page of decisions about matches, the oldest first."""
        return await self._do(calls.match_decisions, list, item, after, limit)

    async def delete(self, number: int) -> None:
        """Delete an item."""
        return await self._do(calls.delete, number)

    async def delete_matching(
        self,
        key: str | None = None,
        collection: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the API's word
        dry_run: bool = False,
    ) -> int:
        """Delete the item of a key, or all that match a filter. Returns how many."""
        return await self._do(calls.delete_matching, key, collection, filter, dry_run)

    async def original(self, number: int) -> bytes:
        """Get the file of an item as it was added."""
        return await self._do(calls.original, number)

    async def thumbnail(self, number: int) -> bytes:
        """Get the thumbnail of an item, a JPEG."""
        return await self._do(calls.thumbnail, number)

    async def reviews(
        self,
        state: str = "open",
        list: str | None = None,  # noqa: A002 - the API's word
        assignee: str | None = None,
        mine: bool = False,
        after: int = 0,
        limit: int = 100,
    ) -> Reviews:
        """Get a page of reviews, the oldest first: ``state`` `open`, `closed` or `all`."""
        return await self._do(desk_calls.reviews, state, list, assignee, mine, after, limit)

    async def review(self, number: int) -> Review:
        """Get a review, with the item that was matched."""
        return await self._do(desk_calls.review, number)

    async def next_review(self, list: str | None = None, seconds: float = 600.0) -> Review | None:  # noqa: A002
        """Claim the oldest open review that nobody is at, for a time; None if there is none."""
        return await self._do(desk_calls.next_review, list, seconds)

    async def claim_review(self, number: int, seconds: float = 600.0) -> Review:
        """Claim a review, so that nobody else decides it for a time."""
        return await self._do(desk_calls.claim_review, number, seconds)

    async def release_review(self, number: int) -> Review:
        """Give up a claim."""
        return await self._do(desk_calls.release_review, number)

    async def assign_review(self, number: int, assignee: str | None) -> Review:
        """Say who should do a review, by the name of a key; None: anybody."""
        return await self._do(desk_calls.assign_review, number, assignee)

    async def judge_review(self, number: int, verdict: str, reason: str = "") -> Review:
        """Confirm or deny (`confirm`, `deny`) the match of a review, which closes it."""
        return await self._do(desk_calls.judge_review, number, verdict, reason)

    async def webhooks(self) -> Sequence[Webhook]:
        """List the webhooks."""
        return await self._do(desk_calls.webhooks)

    async def webhook(self, number: int) -> Webhook:
        """Get a webhook, and how much is pending."""
        return await self._do(desk_calls.webhook, number)

    async def create_webhook(
        self, url: str, types: Sequence[str] = (), note: str = "", secret: str | None = None
    ) -> Webhook:
        """Create a webhook; only this answer has its ``secret``. ``WebhookEvent.verified`` checks what it receives."""
        return await self._do(desk_calls.create_webhook, url, types, note, secret)

    async def change_webhook(self, number: int, changes: Mapping[str, Any]) -> Webhook:
        """Change fields of a webhook: ``url, types, enabled, note``."""
        return await self._do(desk_calls.change_webhook, number, changes)

    async def delete_webhook(self, number: int) -> None:
        """Delete a webhook."""
        return await self._do(desk_calls.delete_webhook, number)

    async def test_webhook(self, number: int) -> int:
        """Send a test event to a webhook. Returns the event's number."""
        return await self._do(desk_calls.test_webhook, number)

    async def replay_webhook(
        self, number: int, after: int = 0, since: float = 0.0, types: Sequence[str] = (), failed: bool = False
    ) -> int:
        """Send events to a webhook again. Returns their number."""
        return await self._do(desk_calls.replay_webhook, number, after, since, types, failed)

    async def deliveries(self, number: int, state: str | None = None, after: int = 0, limit: int = 100) -> Deliveries:
        """Get a page of the deliveries to a webhook, of all or in a ``state``: `pending`, `delivered`, `failed`."""
        return await self._do(desk_calls.deliveries, number, state, after, limit)

    async def audit(
        self,
        action: str | None = None,
        by: str | None = None,
        item: int | None = None,
        since: float | None = None,
        until: float | None = None,
        order: str = "newest",
        after: int = 0,
        limit: int = 100,
    ) -> AuditPage:
        """Get a page of the audit trail. ``since`` and ``until`` are in seconds since the epoch."""
        return await self._do(desk_calls.audit, action, by, item, since, until, order, after, limit)

    async def keys(self) -> Sequence[KeyState]:
        """List the API keys and their usage."""
        return await self._do(desk_calls.keys)

    async def map(self, collection: str | None = None, field: str | None = None) -> Plane:
        """Get the places of the items on the 2-D map, and the values of a field there."""
        return await self._do(calls.plane, collection, field)

    async def duplicates(
        self, wanted: DuplicateOptions = ALL_DUPLICATES, offset: int = 0, limit: int = 50
    ) -> Duplicates:
        """Get a page of groups of copies. ``find_duplicates`` searches for them."""
        return await self._do(calls.duplicates, wanted, offset, limit)

    async def find_duplicates(self, collection: str | None = None) -> Job:
        """Start a search for copies in a collection, or in all. If one is running, return its job."""
        return await self._do(calls.find_duplicates, collection)

    async def decide(self, decisions: Sequence[tuple[str, Sequence[int]]]) -> Decided:
        """Decide about copies: pairs of `not_duplicates`, `keep_all`, `keep` or `remove`, and ids of items."""
        return await self._do(calls.decide, decisions)

    async def resolve_duplicates(self, wanted: DuplicateOptions = ALL_DUPLICATES) -> Decided:
        """Remove the copies of all groups that ``duplicates`` lists with the same options."""
        return await self._do(calls.resolve_duplicates, wanted)

    async def undo_decisions(self, batch: int) -> Decided:
        """Undo a batch of decisions and removals."""
        return await self._do(calls.undo_decisions, batch)

    async def index(self) -> Index:
        """Get the state of the index."""
        return await self._do(calls.index)

    async def rebuild(self, bundle: str | None = None, allow_missing: bool = False) -> Job:
        """Start a rebuild, optionally with another ``bundle``. If one is running, return its job."""
        return await self._do(calls.rebuild, bundle, allow_missing)

    async def reload(self) -> Index:
        """Load the live generation, and wait until it is loaded."""
        return await self._do(calls.reload)

    async def rollback(self, to: str | None = None) -> Index:
        """Make the previous generation, or the one named ``to``, live again."""
        return await self._do(calls.rollback, to)

    async def jobs(self) -> list[Job]:
        """List the latest jobs."""
        return await self._do(calls.jobs)

    async def job(self, number: int) -> Job:
        """Get a job and its progress."""
        return await self._do(calls.job, number)

    async def ready(self) -> Ready:
        """Check that the server can answer searches. Raises ``Refused`` with the reason ``not_ready`` if it cannot."""
        return await self._do(calls.ready)

    async def whoami(self) -> Caller:
        """Get the name and the scope of the API key."""
        return await self._do(calls.whoami)

    async def add_many(
        self, new: Iterable[New], replace: bool = False, match: bool = False
    ) -> AsyncIterator[Added | Fault]:
        """Add any number of pictures. Yields one outcome per picture, in order; a ``Fault`` if it cannot be added."""
        batches = UploadBatches()
        for one in new:
            for lines in await asyncio.to_thread(batches.add, one):
                for added in await self._do(calls.add_lines, lines, replace, match):
                    yield added
        for lines in batches.flush():
            for added in await self._do(calls.add_lines, lines, replace, match):
                yield added

    async def items(
        self,
        collection: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002
    ) -> AsyncIterator[Item]:
        """Yield all items, or those that match, ordered by id."""
        after: int | None = 0
        while after is not None:
            page = await self.page(collection, after=after, filter=filter)
            for item in page.items:
                yield item
            after = page.next
