"""The synchronous client."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from copysight.client.senders import Sender
from copysight.client.sending import UploadBatches

DEFAULT_OPTIONS, DEFAULT_RETRIES, ALL_DUPLICATES = Options(), Retries(), DuplicateOptions()


class Client:
    """A connection to the server at ``url``. ``key`` is an API key, if the server requires one.

    Every method raises ``Refused`` if the server returns an error, and ``ServerUnreachable`` if it returns no valid
    response. If the server is busy or the connection fails, a call is retried after a pause, unless a second call could
    have another effect.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        retries: Retries = DEFAULT_RETRIES,
        timeout: httpx.Timeout = sending.TIMEOUT,
    ) -> None:
        self._sender = Sender(url, key, retries, timeout)
        self._do = self._sender.send

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()

    def embed(self, pictures: Sequence[Source]) -> Embeddings:
        """Compute the embedding of each picture."""
        return self._do(calls.embed, pictures)

    def search(self, pictures: Sequence[Source], options: Options = DEFAULT_OPTIONS) -> Found:
        """Search the collection for copies of each picture."""
        return self._do(calls.search, pictures, options)

    def search_ids(self, ids: Sequence[int], options: Options = DEFAULT_OPTIONS) -> Found:
        """Search for copies of items of the collection, given by id."""
        return self._do(calls.search_ids, ids, options)

    def search_vectors(self, vectors: Float, options: Options = DEFAULT_OPTIONS) -> Found:
        """Search for vectors (N, D), as returned by ``embed``."""
        return self._do(calls.search_vectors, vectors, options)

    def compare(
        self, one: Source, other: Source, effort: str | None = None, verify: str | None = None, explain: bool = False
    ) -> Comparison:
        """Decide whether one of two pictures is a copy of the other; with ``explain``, also why."""
        return self._do(calls.compare, one, other, effort, verify, explain)

    def assign(self, pictures: Sequence[Source]) -> list[Membership | Fault]:
        """Get the prototypes and the cluster of each picture."""
        return self._do(calls.assign, pictures)

    def clusters(self) -> list[Group]:
        """List all clusters, the largest first."""
        return self._do(calls.clusters)

    def cluster(self, number: int, limit: int = 100, offset: int = 0) -> Members:
        """Get a cluster and its members."""
        return self._do(calls.cluster, number, limit, offset)

    def move_pictures(self, moves: Sequence[ClusterMove]) -> ClusterMoves:
        """Move pictures to other clusters, all or none. The moves ``before`` of the answer undo them."""
        return self._do(calls.move_pictures, moves)

    def name_cluster(self, number: int, name: str | None) -> Members:
        """Name a cluster, or remove its name with None."""
        return self._do(calls.name_cluster, number, name)

    def attention(
        self,
        pictures: Sequence[Source],
        head: int | None = None,
        threshold: float | None = None,
        method: MapMethod | None = None,
    ) -> list[Maps | Fault]:
        """Get the attention maps of each picture; with ``threshold``, also masks that contain this share of it.

        ``method`` is ``heads`` (the server's default) or ``objects``, one map of the object of each picture.
        """
        return self._do(calls.attention, pictures, head, threshold, method)

    def attention_png(
        self, picture: Source, head: int | None = None, threshold: float | None = None, method: MapMethod | None = None
    ) -> bytes:
        """Get the attention maps of a picture as a PNG drawing."""
        return self._do(calls.attention_png, picture, head, threshold, method)

    def add(self, new: New, replace: bool = False, match: bool = False) -> Added:
        """Add one picture. It is stored durably when this returns. With ``match``, also answer what it matches."""
        return self._do(calls.add, new, replace, match)

    def page(
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
        return self._do(calls.page, collection, key, after, limit, filter, state, text, sort, descending, offset)

    def item(self, number: int) -> Item:
        """Get an item."""
        return self._do(calls.item, number)

    def set_metadata(self, number: int, metadata: Mapping[str, Any]) -> Item:
        """Replace an item's metadata."""
        return self._do(calls.set_metadata, number, metadata)

    def change(self, number: int, changes: Mapping[str, Any]) -> Item:
        """Change fields of an item: ``metadata, disabled, expires, note, labels, quarantined``."""
        return self._do(calls.change, number, changes)

    def lists(self) -> list[ListState]:
        """Get all lists by name."""
        return self._do(calls.lists)

    def put_list(self, policy: ListPolicy) -> ListState:
        """Make a collection a list, or replace the policy of a list."""
        return self._do(calls.put_list, policy)

    def delete_list(self, name: str) -> None:
        """Forget the policy of a list. Its collection and items stay."""
        return self._do(calls.delete_list, name)

    def decide_match(
        self,
        decision: str,
        match: int | None = None,
        reason: str = "",
        query: str | None = None,
        item: int | None = None,
    ) -> MatchDecision:
        """Decide (`confirm`, `deny`) about a ``match`` by its number, or about a ``query`` (sha256) and an ``item``."""
        return self._do(calls.decide_match, decision, match, reason, query, item)

    def withdraw_match_decision(self, number: int) -> None:
        """Withdraw a decision about a match by its id, as if it had not been made."""
        return self._do(calls.withdraw_match_decision, number)

    def match_decisions(
        self,
        list: str | None = None,  # noqa: A002 - the API's word
        item: int | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> MatchDecisions:
        """Get a page of decisions about matches, the oldest first."""
        return self._do(calls.match_decisions, list, item, after, limit)

    def delete(self, number: int) -> None:
        """Delete an item."""
        return self._do(calls.delete, number)

    def delete_matching(
        self,
        key: str | None = None,
        collection: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the API's word
        dry_run: bool = False,
    ) -> int:
        """Delete the item of a key, or all that match a filter. Returns how many."""
        return self._do(calls.delete_matching, key, collection, filter, dry_run)

    def original(self, number: int) -> bytes:
        """Get the file of an item as it was added."""
        return self._do(calls.original, number)

    def thumbnail(self, number: int) -> bytes:
        """Get the thumbnail of an item, a JPEG."""
        return self._do(calls.thumbnail, number)

    def reviews(
        self,
        state: str = "open",
        list: str | None = None,  # noqa: A002 - the API's word
        assignee: str | None = None,
        mine: bool = False,
        after: int = 0,
        limit: int = 100,
    ) -> Reviews:
        """Get a page of reviews, the oldest first: ``state`` `open`, `closed` or `all`."""
        return self._do(desk_calls.reviews, state, list, assignee, mine, after, limit)

    def review(self, number: int) -> Review:
        """Get a review, with the item that was matched."""
        return self._do(desk_calls.review, number)

    def next_review(self, list: str | None = None, seconds: float = 600.0) -> Review | None:  # noqa: A002
        """Claim the oldest open review that nobody is at, for a time; None if there is none."""
        return self._do(desk_calls.next_review, list, seconds)

    def claim_review(self, number: int, seconds: float = 600.0) -> Review:
        """Claim a review, so that nobody else decides it for a time."""
        return self._do(desk_calls.claim_review, number, seconds)

    def release_review(self, number: int) -> Review:
        """Give up a claim."""
        return self._do(desk_calls.release_review, number)

    def assign_review(self, number: int, assignee: str | None) -> Review:
        """Say who should do a review, by the name of a key; None: anybody."""
        return self._do(desk_calls.assign_review, number, assignee)

    def judge_review(self, number: int, verdict: str, reason: str = "") -> Review:
        """Confirm or deny (`confirm`, `deny`) the match of a review, which closes it."""
        return self._do(desk_calls.judge_review, number, verdict, reason)

    def webhooks(self) -> Sequence[Webhook]:
        """List the webhooks."""
        return self._do(desk_calls.webhooks)

    def webhook(self, number: int) -> Webhook:
        """Get a webhook, and how much is pending."""
        return self._do(desk_calls.webhook, number)

    def create_webhook(self, url: str, types: Sequence[str] = (), note: str = "", secret: str | None = None) -> Webhook:
        """Create a webhook; only this answer has its ``secret``. ``WebhookEvent.verified`` checks what it receives."""
        return self._do(desk_calls.create_webhook, url, types, note, secret)

    def change_webhook(self, number: int, changes: Mapping[str, Any]) -> Webhook:
        """Change fields of a webhook: ``url, types, enabled, note``."""
        return self._do(desk_calls.change_webhook, number, changes)

    def delete_webhook(self, number: int) -> None:
        """Delete a webhook."""
        return self._do(desk_calls.delete_webhook, number)

    def test_webhook(self, number: int) -> int:
        """Send a test event to a webhook. Returns the event's number."""
        return self._do(desk_calls.test_webhook, number)

    def replay_webhook(
        self, number: int, after: int = 0, since: float = 0.0, types: Sequence[str] = (), failed: bool = False
    ) -> int:
        """Send events to a webhook again. Returns their number."""
        return self._do(desk_calls.replay_webhook, number, after, since, types, failed)

    def deliveries(self, number: int, state: str | None = None, after: int = 0, limit: int = 100) -> Deliveries:
        """Get a page of the deliveries to a webhook, of all or in a ``state``: `pending`, `delivered`, `failed`."""
        return self._do(desk_calls.deliveries, number, state, after, limit)

    def audit(
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
        return self._do(desk_calls.audit, action, by, item, since, until, order, after, limit)

    def keys(self) -> Sequence[KeyState]:
        """List the API keys and their usage."""
        return self._do(desk_calls.keys)

    def map(self, collection: str | None = None, field: str | None = None) -> Plane:
        """Get the places of the items on the 2-D map, and the values of a field there."""
        return self._do(calls.plane, collection, field)

    def duplicates(self, wanted: DuplicateOptions = ALL_DUPLICATES, offset: int = 0, limit: int = 50) -> Duplicates:
        """Get a page of groups of copies. ``find_duplicates`` searches for them."""
        return self._do(calls.duplicates, wanted, offset, limit)

    def find_duplicates(self, collection: str | None = None) -> Job:
        """Start a search for copies in a collection, or in all. If one is running, return its job."""
        return self._do(calls.find_duplicates, collection)

    def decide(self, decisions: Sequence[tuple[str, Sequence[int]]]) -> Decided:
        """Decide about copies: pairs of `not_duplicates`, `keep_all`, `keep` or `remove`, and ids of items."""
        return self._do(calls.decide, decisions)

    def resolve_duplicates(self, wanted: DuplicateOptions = ALL_DUPLICATES) -> Decided:
        """Remove the copies of all groups that ``duplicates`` lists with the same options."""
        return self._do(calls.resolve_duplicates, wanted)

    def undo_decisions(self, batch: int) -> Decided:
        """Undo a batch of decisions and removals."""
        return self._do(calls.undo_decisions, batch)

    def index(self) -> Index:
        """Get the state of the index."""
        return self._do(calls.index)

    def rebuild(self, bundle: str | None = None, allow_missing: bool = False) -> Job:
        """Start a rebuild, optionally with another ``bundle``. If one is running, return its job."""
        return self._do(calls.rebuild, bundle, allow_missing)

    def reload(self) -> Index:
        """Load the live generation, and wait until it is loaded."""
        return self._do(calls.reload)

    def rollback(self, to: str | None = None) -> Index:
        """Make the previous generation, or the one named ``to``, live again."""
        return self._do(calls.rollback, to)

    def jobs(self) -> list[Job]:
        """List the latest jobs."""
        return self._do(calls.jobs)

    def job(self, number: int) -> Job:
        """Get a job and its progress."""
        return self._do(calls.job, number)

    def ready(self) -> Ready:
        """Check that the server can answer searches. Raises ``Refused`` with the reason ``not_ready`` if it cannot."""
        return self._do(calls.ready)

    def whoami(self) -> Caller:
        """Get the name and the scope of the API key."""
        return self._do(calls.whoami)

    def add_many(self, new: Iterable[New], replace: bool = False, match: bool = False) -> Iterator[Added | Fault]:
        """Add any number of pictures. Yields one outcome per picture, in order; a ``Fault`` if it cannot be added."""
        batches = UploadBatches()
        for one in new:
            for lines in batches.add(one):
                yield from self._do(calls.add_lines, lines, replace, match)
        for lines in batches.flush():
            yield from self._do(calls.add_lines, lines, replace, match)

    def items(self, collection: str | None = None, filter: Mapping[str, Any] | None = None) -> Iterator[Item]:  # noqa: A002
        """Yield all items, or those that match, ordered by id."""
        after: int | None = 0
        while after is not None:
            page = self.page(collection, after=after, filter=filter)
            yield from page.items
            after = page.next
