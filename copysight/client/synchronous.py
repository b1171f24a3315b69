"""The client for ordinary code."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, Self, TypeVar

import httpx

from copysight.client import calls, sending
from copysight.client.answers import (
    Added,
    Caller,
    Comparison,
    Embeddings,
    Fault,
    Float,
    Found,
    Group,
    Index,
    Item,
    Job,
    Maps,
    Members,
    Membership,
    Page,
    Ready,
)
from copysight.client.calls import Call, New, Options
from copysight.client.pictures import Source
from copysight.client.retries import Retries
from copysight.client.sending import Attempts, Parcels, Pause

P = ParamSpec("P")
T = TypeVar("T")
ANY, PATIENT = Options(), Retries()


class Client:
    """A server and, if it asks for one, our key.

    Every method raises ``Refused`` for an error that the server answers, ``ServerUnreachable`` when none comes. Calls
    are made again, after a pause, when the server is busy or the connection breaks, unless that could do harm.
    """

    def __init__(
        self, url: str, key: str | None = None, retries: Retries = PATIENT, timeout: httpx.Timeout = sending.TIMEOUT
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=sending.headers(key), timeout=timeout)
        self._attempts = Attempts(url, retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def embed(self, pictures: Sequence[Source]) -> Embeddings:
        """A vector of each picture."""
        return self._do(calls.embed, pictures)

    def search(self, pictures: Sequence[Source], options: Options = ANY) -> Found:
        """What each picture is a copy of, or like."""
        return self._do(calls.search, pictures, options)

    def search_ids(self, ids: Sequence[int], options: Options = ANY) -> Found:
        """The same for items of the collection."""
        return self._do(calls.search_ids, ids, options)

    def search_vectors(self, vectors: Float, options: Options = ANY) -> Found:
        """The same for vectors (N, D), as ``embed`` gives them."""
        return self._do(calls.search_vectors, vectors, options)

    def compare(self, one: Source, other: Source, effort: str | None = None) -> Comparison:
        """Whether one of two pictures is a copy of the other."""
        return self._do(calls.compare, one, other, effort)

    def assign(self, pictures: Sequence[Source]) -> list[Membership | Fault]:
        """Prototypes and cluster of each picture."""
        return self._do(calls.assign, pictures)

    def clusters(self) -> list[Group]:
        """All clusters, the largest first."""
        return self._do(calls.clusters)

    def cluster(self, number: int, limit: int = 100, offset: int = 0) -> Members:
        """A cluster and its members."""
        return self._do(calls.cluster, number, limit, offset)

    def name_cluster(self, number: int, name: str | None) -> Members:
        """Name a cluster, or take its name away."""
        return self._do(calls.name_cluster, number, name)

    def attention(
        self, pictures: Sequence[Source], head: int | None = None, threshold: float | None = None
    ) -> list[Maps | Fault]:
        """What each head looks at; with ``threshold``, masks that hold this share of its mass."""
        return self._do(calls.attention, pictures, head, threshold)

    def attention_png(self, picture: Source, head: int | None = None, threshold: float | None = None) -> bytes:
        """The same as a drawing, a PNG."""
        return self._do(calls.attention_png, picture, head, threshold)

    def add(self, new: New, replace: bool = False) -> Added:
        """Add one picture; it is durable when this returns."""
        return self._do(calls.add, new, replace)

    def page(self, collection: str | None = None, key: str | None = None, after: int = 0, limit: int = 100) -> Page:
        """Some items, in the order of their ids."""
        return self._do(calls.page, collection, key, after, limit)

    def item(self, number: int) -> Item:
        """One item."""
        return self._do(calls.item, number)

    def set_metadata(self, number: int, metadata: Mapping[str, Any]) -> Item:
        """Replace an item's metadata."""
        return self._do(calls.set_metadata, number, metadata)

    def delete(self, number: int) -> None:
        """Delete an item."""
        return self._do(calls.delete, number)

    def thumbnail(self, number: int) -> bytes:
        """A small JPEG of an item."""
        return self._do(calls.thumbnail, number)

    def index(self) -> Index:
        """How the collection stands."""
        return self._do(calls.index)

    def rebuild(self, bundle: str | None = None, allow_missing: bool = False) -> Job:
        """Start to build a new generation, by another ``bundle`` say, or hear of the job that does."""
        return self._do(calls.rebuild, bundle, allow_missing)

    def reload(self) -> Index:
        """Wait until the live generation is loaded."""
        return self._do(calls.reload)

    def rollback(self, to: str | None = None) -> Index:
        """Make the generation before, or one by name, live again."""
        return self._do(calls.rollback, to)

    def jobs(self) -> list[Job]:
        """The latest jobs."""
        return self._do(calls.jobs)

    def job(self, number: int) -> Job:
        """A job and its progress."""
        return self._do(calls.job, number)

    def ready(self) -> Ready:
        """Whether searches are answered; ``Refused`` with the reason ``not_ready`` when they are not."""
        return self._do(calls.ready)

    def whoami(self) -> Caller:
        """Name and scope of our key."""
        return self._do(calls.whoami)

    def add_many(self, new: Iterable[New], replace: bool = False) -> Iterator[Added | Fault]:
        """Add any number of pictures; what became of each, in order, a ``Fault`` for one that cannot be added."""
        parcels = Parcels()
        for one in new:
            for lines in parcels.put(one):
                yield from self._do(calls.add_lines, lines, replace)
        for lines in parcels.rest():
            yield from self._do(calls.add_lines, lines, replace)

    def items(self, collection: str | None = None) -> Iterator[Item]:
        """All items, in the order of their ids."""
        after: int | None = 0
        while after is not None:
            page = self.page(collection, after=after)
            yield from page.items
            after = page.next

    def _do(self, make: Callable[P, Call[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        call, number = make(*args, **kwargs), 1
        while isinstance(outcome := self._attempt(call, number), Pause):
            time.sleep(outcome.seconds)
            number += 1
        return outcome

    def _attempt(self, call: Call[T], number: int) -> T | Pause:
        try:
            response = self._http.request(**sending.request(call))
        except httpx.TransportError as error:
            return self._attempts.failed(call, number, error)
        return self._attempts.after(call, number, response)
