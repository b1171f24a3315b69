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
from copysight.model import object_masks
from copysight.model.embedder import Embedder, Features
from copysight.pictures.decode import Picture
from copysight.scoring.query_views import TYPICAL_VIEWS, Effort, QueryView, views_of
from service.inference.batching import Prepared, Ticket
from service.intake.url_fetch import PictureSource
from service.runtime import threads
from service.state import State

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Wanted:
    """What is computed of each picture: outputs of the model, query views, the map of its object."""

    outputs: tuple[str, ...]
    effort: Effort = "low"
    objects: bool = False


@dataclass(frozen=True)
class PictureFeatures:
    """The model's outputs for one picture: embedding (D,), attention (H, rows, columns), prototypes (K,).

    ``more_views``: the query views besides the whole picture, with their features. ``object_map`` (rows, columns): the
    object of the whole picture; None if it was not asked for.
    """

    data: bytes
    picture: Picture
    features: Features
    more_views: tuple[tuple[QueryView, Features], ...] = ()
    object_map: Float | None = None

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
    objects: bool = False,
) -> list[PictureFeatures | PictureError]:
    """The outputs of the model for each picture, or that picture's error. An error does not affect other pictures.

    ``effort``: how many query views of each picture. ``objects``: also find the object of each picture; the bundle must
    have patches of any size. Raises ``OutputMissing`` before any work, and the errors of the queue.
    """
    for output in outputs:
        embedder.bundle.graph_of(output)
    wanted = Wanted(outputs, effort, objects)
    fetched = await state.fetcher.fetch_all(sources)
    # Limited, because else all pictures of a bulk request would be in line before the next request's first one.
    decode_slots = asyncio.Semaphore(state.decode_ahead)
    with state.batcher.admit(len(fetched) * TYPICAL_VIEWS[effort]) as ticket:
        if len(fetched) == 1:  # the usual case, without tasks of its own
            return [await _infer_source(state, embedder, fetched[0], wanted, ticket, decode_slots)]
        work = [
            asyncio.ensure_future(_infer_source(state, embedder, one, wanted, ticket, decode_slots)) for one in fetched
        ]
        try:
            return list(await asyncio.gather(*work))
        finally:
            for one in work:
                one.cancel()


async def infer_one(
    state: State, embedder: Embedder, source: PictureSource, outputs: tuple[str, ...], objects: bool = False
) -> PictureFeatures:
    """Like ``infer``, for a single picture. Raises its ``PictureError``."""
    [result] = await infer(state, embedder, [source], outputs, objects=objects)
    if isinstance(result, PictureError):
        raise result
    return result


async def _infer_source(
    state: State,
    embedder: Embedder,
    data: bytes | PictureError,
    wanted: Wanted,
    ticket: Ticket,
    decode_slots: asyncio.Semaphore,
) -> PictureFeatures | PictureError:
    if isinstance(data, PictureError):  # it could not be fetched
        return _count_rejection(state, data)
    prepare = partial(_prepare, state, embedder, data, wanted)
    try:
        if state.decoders is not None:
            async with decode_slots:
                prepared = await threads.run(state.decoders, prepare)
            prepare = partial(_identity, prepared)
        found = await state.batcher.run(ticket, embedder, prepare, wanted.outputs)
    except PictureError as error:
        return _count_rejection(state, error)
    prepared = found.prepared
    more = () if wanted.effort == "low" else await _infer_views(state, embedder, prepared, wanted, ticket)
    return PictureFeatures(data, prepared.picture, found.features, more, prepared.object_map)


async def _infer_views(
    state: State, embedder: Embedder, whole: Prepared, wanted: Wanted, ticket: Ticket
) -> tuple[tuple[QueryView, Features], ...]:
    """The query views besides the whole picture; each is a model input of its own."""
    views = (await threads.run(state.searchers, views_of, whole.picture.pixels, wanted.effort))[1:]
    outputs = wanted.outputs
    work = [
        state.batcher.run(ticket, embedder, partial(_prepare_view, embedder, whole, view, outputs), outputs)
        for view in views
    ]
    return tuple((view, found.features) for view, found in zip(views, await asyncio.gather(*work), strict=True))


def _count_rejection(state: State, error: PictureError) -> PictureError:
    state.metrics.rejections.labels(error.code).inc()
    return error


def _prepare(state: State, embedder: Embedder, data: bytes, wanted: Wanted) -> Prepared:
    began = time.monotonic()
    at_least = max(embedder.bundle.at_least, object_masks.LINES if wanted.objects else 0)
    picture = state.decoder.decode(data, at_least)
    inputs = embedder.prepare(picture.pixels, wanted.outputs)
    state.metrics.observe_stage("decode", time.monotonic() - began)
    # Here, because pictures of any size do not go into one batch: a runner takes each by itself.
    return Prepared(picture, inputs, object_masks.object_map(embedder, picture.pixels) if wanted.objects else None)


def _prepare_view(embedder: Embedder, whole: Prepared, view: QueryView, outputs: tuple[str, ...]) -> Prepared:
    return Prepared(whole.picture, embedder.prepare(view.pixels, outputs))


def _identity(prepared: Prepared) -> Prepared:
    return prepared
