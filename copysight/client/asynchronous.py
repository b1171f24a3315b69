"""The client for code that awaits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
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


class AsyncClient:
    """As ``Client``; pictures are read and encoded in threads, so the event loop is never blocked."""

    def __init__(
        self, url: str, key: str | None = None, retries: Retries = PATIENT, timeout: httpx.Timeout = sending.TIMEOUT
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=sending.headers(key), timeout=timeout)
        self._attempts = Attempts(url, retries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def embed(self, pictures: Sequence[Source]) -> Embeddings:
        """A vector of each picture."""
        return await self._do(calls.embed, pictures)

    async def search(self, pictures: Sequence[Source], options: Options = ANY) -> Found:
        """What each picture is a copy of, or like."""
        return await self._do(calls.search, pictures, options)

    async def search_ids(self, ids: Sequence[int], options: Options = ANY) -> Found:
        """The same for items of the collection."""
        return await self._do(calls.search_ids, ids, options)

    async def search_vectors(self, vectors: Float, options: Options = ANY) -> Found:
        """The same for vectors (N, D), as ``embed`` gives them."""
        return await self._do(calls.search_vectors, vectors, options)

    async def compare(self, one: Source, other: Source, effort: str | None = None) -> Comparison:
        """Whether one of two pictures is a copy of the other."""
        return await self._do(calls.compare, one, other, effort)

    async def assign(self, pictures: Sequence[Source]) -> list[Membership | Fault]:
        """Prototypes and cluster of each picture."""
        return await self._do(calls.assign, pictures)

    async def clusters(self) -> list[Group]:
        """All clusters, the largest first."""
        return await self._do(calls.clusters)

    async def cluster(self, number: int, limit: int = 100, offset: int = 0) -> Members:
        """A cluster and its members."""
        return await self._do(calls.cluster, number, limit, offset)

    async def name_cluster(self, number: int, name: str | None) -> Members:
        """Name a cluster, or take its name away."""
        return await self._do(calls.name_cluster, number, name)

    async def attention(
        self, pictures: Sequence[Source], head: int | None = None, threshold: float | None = None
    ) -> list[Maps | Fault]:
        """What each head looks at; with ``threshold``, masks that hold this share of its mass."""
        return await self._do(calls.attention, pictures, head, threshold)

    async def attention_png(self, picture: Source, head: int | None = None, threshold: float | None = None) -> bytes:
        """The same as a drawing, a PNG."""
        return await self._do(calls.attention_png, picture, head, threshold)

    async def add(self, new: New, replace: bool = False) -> Added:
        """Add one picture; it is durable when this returns."""
        return await self._do(calls.add, new, replace)

    async def page(
        self, collection: str | None = None, key: str | None = None, after: int = 0, limit: int = 100
    ) -> Page:
        """Some items, in the order of their ids."""
        return await self._do(calls.page, collection, key, after, limit)

    async def item(self, number: int) -> Item:
        """One item."""
        return await self._do(calls.item, number)

    async def set_metadata(self, number: int, metadata: Mapping[str, Any]) -> Item:
        """Replace an item's metadata."""
        return await self._do(calls.set_metadata, number, metadata)

    async def delete(self, number: int) -> None:
        """Delete an item."""
        return await self._do(calls.delete, number)

    async def thumbnail(self, number: int) -> bytes:
        """A small JPEG of an item."""
        return await self._do(calls.thumbnail, number)

    async def index(self) -> Index:
        """How the collection stands."""
        return await self._do(calls.index)

    async def rebuild(self, bundle: str | None = None, allow_missing: bool = False) -> Job:
        """Start to build a new generation, by another ``bundle`` say, or hear of the job that does."""
        return await self._do(calls.rebuild, bundle, allow_missing)

    async def reload(self) -> Index:
        """Wait until the live generation is loaded."""
        return await self._do(calls.reload)

    async def rollback(self, to: str | None = None) -> Index:
        """Make the generation before, or one by name, live again."""
        return await self._do(calls.rollback, to)

    async def jobs(self) -> list[Job]:
        """The latest jobs."""
        return await self._do(calls.jobs)

    async def job(self, number: int) -> Job:
        """A job and its progress."""
        return await self._do(calls.job, number)

    async def ready(self) -> Ready:
        """Whether searches are answered; ``Refused`` with the reason ``not_ready`` when they are not."""
        return await self._do(calls.ready)

    async def whoami(self) -> Caller:
        """Name and scope of our key."""
        return await self._do(calls.whoami)

    async def add_many(self, new: Iterable[New], replace: bool = False) -> AsyncIterator[Added | Fault]:
        """Add any number of pictures; what became of each, in order, a ``Fault`` for one that cannot be added."""
        parcels = Parcels()
        for one in new:
            for lines in await asyncio.to_thread(parcels.put, one):
                for added in await self._do(calls.add_lines, lines, replace):
                    yield added
        for lines in parcels.rest():
            for added in await self._do(calls.add_lines, lines, replace):
                yield added

    async def items(self, collection: str | None = None) -> AsyncIterator[Item]:
        """All items, in the order of their ids."""
        after: int | None = 0
        while after is not None:
            page = await self.page(collection, after=after)
            for item in page.items:
                yield item
            after = page.next

    async def _do(self, make: Callable[P, Call[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        call, number = await asyncio.to_thread(make, *args, **kwargs), 1
        while isinstance(outcome := await self._attempt(call, number), Pause):
            await asyncio.sleep(outcome.seconds)
            number += 1
        return outcome

    async def _attempt(self, call: Call[T], number: int) -> T | Pause:
        try:
            response = await self._http.request(**sending.request(call))
        except httpx.TransportError as error:
            return self._attempts.failed(call, number, error)
        return self._attempts.after(call, number, response)
