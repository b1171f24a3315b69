"""Put the pictures of one request through the model: fetch, decode, preprocess, infer; answers in request order."""

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
from copysight.scoring.query_views import TYPICAL_VIEWS, Effort, QueryView, views_of
from service.inference.batching import Prepared, Ticket
from service.intake.url_fetch import PictureSource
from service.runtime import threads
from service.state import State

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PictureFeatures:
    """The model's outputs for one picture: embedding (D,), attention (H, rows, columns), prototypes (K,).

    ``more_views``: the query views besides the whole picture, with their features.
    """

    data: bytes
    picture: Picture
    features: Features
    more_views: tuple[tuple[QueryView, Features], ...] = ()

    @cached_property
    def sha256(self) -> str:
        """The checksum of the file. Computed on demand, because only some calls need it."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def vector(self) -> Float:
        """The embedding (D,) of the whole picture."""
        return np.asarray(self.features.embedding, np.float32)

    @property
    def vectors(self) -> Float:
        """The embeddings (V, D) of all query views, the whole picture first."""
        more = (np.asarray(features.embedding, np.float32) for _, features in self.more_views)
        return np.stack([self.vector, *more])

    @property
    def views(self) -> tuple[QueryView, ...]:
        """The query views (V,) of ``vectors``."""
        return (QueryView(self.picture.pixels), *(view for view, _ in self.more_views))


async def infer(
    state: State,
    embedder: Embedder,
    sources: Sequence[PictureSource],
    outputs: tuple[str, ...],
    effort: Effort = "low",
) -> list[PictureFeatures | PictureError]:
    """The outputs of the model for each picture, or that picture's error. An error does not affect other pictures.

    ``effort``: how many query views of each picture. Raises ``OutputMissing`` before any work, and the errors of the
    queue.
    """
    for output in outputs:
        embedder.bundle.graph_of(output)
    fetched = await state.fetcher.fetch_all(sources)
    # Limited, because else all pictures of a bulk request would be in line before the next request's first one.
    decode_slots = asyncio.Semaphore(state.decode_ahead)
    with state.batcher.admit(len(fetched) * TYPICAL_VIEWS[effort]) as ticket:
        if len(fetched) == 1:  # the usual case, without tasks of its own
            return [await _infer_source(state, embedder, fetched[0], outputs, effort, ticket, decode_slots)]
        work = [
            asyncio.ensure_future(_infer_source(state, embedder, one, outputs, effort, ticket, decode_slots))
            for one in fetched
        ]
        try:
            return list(await asyncio.gather(*work))
        finally:
            for one in work:
                one.cancel()


async def infer_one(
    state: State, embedder: Embedder, source: PictureSource, outputs: tuple[str, ...]
) -> PictureFeatures:
    """Like ``infer``, for a single picture. Raises its ``PictureError``."""
    [result] = await infer(state, embedder, [source], outputs)
    if isinstance(result, PictureError):
        raise result
    return result


async def _infer_source(
    state: State,
    embedder: Embedder,
    data: bytes | PictureError,
    outputs: tuple[str, ...],
    effort: Effort,
    ticket: Ticket,
    decode_slots: asyncio.Semaphore,
) -> PictureFeatures | PictureError:
    if isinstance(data, PictureError):  # it could not be fetched
        return _count_rejection(state, data)
    prepare = partial(_prepare, state, embedder, data, outputs)
    try:
        if state.decoders is not None:
            async with decode_slots:
                prepared = await threads.run(state.decoders, prepare)
            prepare = partial(_identity, prepared)
        found = await state.batcher.run(ticket, embedder, prepare, outputs)
    except PictureError as error:
        return _count_rejection(state, error)
    more = () if effort == "low" else await _infer_views(state, embedder, found.prepared, outputs, effort, ticket)
    return PictureFeatures(data, found.prepared.picture, found.features, more)


async def _infer_views(
    state: State, embedder: Embedder, whole: Prepared, outputs: tuple[str, ...], effort: Effort, ticket: Ticket
) -> tuple[tuple[QueryView, Features], ...]:
    """The query views besides the whole picture; each is a model input of its own."""
    views = (await threads.run(state.searchers, views_of, whole.picture.pixels, effort))[1:]
    work = [
        state.batcher.run(ticket, embedder, partial(_prepare_view, embedder, whole, view, outputs), outputs)
        for view in views
    ]
    return tuple((view, found.features) for view, found in zip(views, await asyncio.gather(*work), strict=True))


def _count_rejection(state: State, error: PictureError) -> PictureError:
    state.metrics.rejections.labels(error.code).inc()
    return error


def _prepare(state: State, embedder: Embedder, data: bytes, outputs: tuple[str, ...]) -> Prepared:
    began = time.monotonic()
    picture = state.decoder.decode(data, embedder.bundle.at_least)
    inputs = embedder.prepare(picture.pixels, outputs)
    state.metrics.observe_stage("decode", time.monotonic() - began)
    return Prepared(picture, inputs)


def _prepare_view(embedder: Embedder, whole: Prepared, view: QueryView, outputs: tuple[str, ...]) -> Prepared:
    return Prepared(whole.picture, embedder.prepare(view.pixels, outputs))


def _identity(prepared: Prepared) -> Prepared:
    return prepared
