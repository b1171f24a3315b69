"""One request's pictures: decoded and prepared off the loop, through the model, back in order."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from copysight.errors import PictureError
from copysight.model.embedder import Embedder, Features
from copysight.pictures.decode import Picture
from copysight.scoring.query_views import TYPICAL, Effort, QueryView, views_of
from service.inference.batching import Prepared, Turn
from service.intake.url_fetch import Given
from service.runtime import threads
from service.state import State

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """A picture that went through the model. ``features`` hold one row each: (D,), (H, rows, columns), (K,).

    ``more`` are the looks at it beside the whole, with their features.
    """

    data: bytes
    picture: Picture
    features: Features
    more: tuple[tuple[QueryView, Features], ...] = ()

    @cached_property
    def sha256(self) -> str:
        """The checksum of the file, which only some calls ask for."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def vector(self) -> Float:
        """The embedding (D,)."""
        return np.asarray(self.features.embedding, np.float32)

    @property
    def vectors(self) -> Float:
        """The embeddings (V, D) of all views, the whole picture first."""
        return np.stack([self.vector, *(np.asarray(features.embedding, np.float32) for _, features in self.more)])

    @property
    def views(self) -> tuple[QueryView, ...]:
        """The query views (V,) that ``vectors`` belong to."""
        return (QueryView(self.picture.pixels), *(view for view, _ in self.more))


async def infer(
    state: State, embedder: Embedder, data: Sequence[Given], outputs: tuple[str, ...], effort: Effort = "low"
) -> list[Seen | PictureError]:
    """Outputs of the model for each picture, or the error that one picture has: neighbours are unharmed.

    ``effort``: how hard to look at each.

    Raises ``OutputMissing`` before any work, and what the queue raises.
    """
    for output in outputs:
        embedder.bundle.graph_of(output)
    fetched = await state.fetcher.all(data)
    # A few at a time: the pictures of a bulk caller would else all stand before the next caller's first.
    few = asyncio.Semaphore(state.few)
    with state.batcher.accepted(len(fetched) * TYPICAL[effort]) as turn:
        if len(fetched) == 1:  # the usual case, without tasks of its own
            return [await _seen(state, embedder, fetched[0], outputs, effort, turn, few)]
        work = [asyncio.ensure_future(_seen(state, embedder, one, outputs, effort, turn, few)) for one in fetched]
        try:
            return list(await asyncio.gather(*work))
        finally:
            for one in work:
                one.cancel()


async def infer_one(state: State, embedder: Embedder, data: Given, outputs: tuple[str, ...]) -> Seen:
    """The same for a single picture, whose error is the request's."""
    [seen] = await infer(state, embedder, [data], outputs)
    if isinstance(seen, PictureError):
        raise seen
    return seen


async def _seen(
    state: State,
    embedder: Embedder,
    data: bytes | PictureError,
    outputs: tuple[str, ...],
    effort: Effort,
    turn: Turn,
    few: asyncio.Semaphore,
) -> Seen | PictureError:
    if isinstance(data, PictureError):  # it could not be fetched
        return _rejected(state, data)
    prepare = partial(_prepare, state, embedder, data, outputs)
    try:
        if state.decoders is not None:
            async with few:
                ready = await threads.on(state.decoders, prepare)
            prepare = partial(_given, ready)
        found = await state.batcher.run(turn, embedder, prepare, outputs)
    except PictureError as error:
        return _rejected(state, error)
    more = () if effort == "low" else await _more(state, embedder, found.prepared, outputs, effort, turn)
    return Seen(data, found.prepared.picture, found.features, more)


async def _more(
    state: State, embedder: Embedder, whole: Prepared, outputs: tuple[str, ...], effort: Effort, turn: Turn
) -> tuple[tuple[QueryView, Features], ...]:
    """The query views beside the whole picture, each a model call of its own."""
    found = (await threads.on(state.searchers, views_of, whole.picture.pixels, effort))[1:]
    work = [
        state.batcher.run(turn, embedder, partial(_prepare_view, embedder, whole, view, outputs), outputs)
        for view in found
    ]
    return tuple((view, seen.features) for view, seen in zip(found, await asyncio.gather(*work), strict=True))


def _rejected(state: State, error: PictureError) -> PictureError:
    state.metrics.rejections.labels(error.code).inc()
    return error


def _prepare(state: State, embedder: Embedder, data: bytes, outputs: tuple[str, ...]) -> Prepared:
    began = time.monotonic()
    picture = state.decoding.decode(data, embedder.bundle.at_least)
    inputs = embedder.prepare(picture.pixels, outputs)
    state.metrics.stage("decode", time.monotonic() - began)
    return Prepared(picture, inputs)


def _prepare_view(embedder: Embedder, whole: Prepared, view: QueryView, outputs: tuple[str, ...]) -> Prepared:
    return Prepared(whole.picture, embedder.prepare(view.pixels, outputs))


def _given(ready: Prepared) -> Prepared:
    return ready
