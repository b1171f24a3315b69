"""One request's pictures: decoded and prepared off the loop, through the model, back in order."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from copysight.embedder import Embedder, Features
from copysight.errors import PictureError
from copysight.images import Picture
from service import threads
from service.batching import Prepared, Turn
from service.fetching import Url
from service.state import State

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """A picture that went through the model. ``features`` hold one row each: (D,), (H, rows, columns), (K,)."""

    data: bytes
    sha256: str
    picture: Picture
    features: Features

    @property
    def vector(self) -> Float:
        """The embedding (D,)."""
        return np.asarray(self.features.embedding, np.float32)


async def look(
    state: State, embedder: Embedder, data: Sequence[bytes | Url], outputs: tuple[str, ...]
) -> list[Seen | PictureError]:
    """Outputs of the model for each picture, or the error that one picture has: neighbours are unharmed.

    Raises ``OutputMissing`` before any work, and what the queue raises.
    """
    for output in outputs:
        embedder.bundle.graph_of(output)
    fetched = await state.fetcher.all(data)
    # A few at a time: the pictures of a bulk caller would else all stand before the next caller's first.
    few = asyncio.Semaphore(state.few)
    with state.batcher.accepted(len(fetched)) as turn:
        work = [asyncio.ensure_future(_seen(state, embedder, one, outputs, turn, few)) for one in fetched]
        try:
            return list(await asyncio.gather(*work))
        finally:
            for one in work:
                one.cancel()


async def look_at_one(state: State, embedder: Embedder, data: bytes | Url, outputs: tuple[str, ...]) -> Seen:
    """The same for a single picture, whose error is the request's."""
    [seen] = await look(state, embedder, [data], outputs)
    if isinstance(seen, PictureError):
        raise seen
    return seen


async def _seen(
    state: State,
    embedder: Embedder,
    data: bytes | PictureError,
    outputs: tuple[str, ...],
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
    return Seen(data, found.prepared.sha256, found.prepared.picture, found.features)


def _rejected(state: State, error: PictureError) -> PictureError:
    state.metrics.rejections.labels(error.code).inc()
    return error


def _prepare(state: State, embedder: Embedder, data: bytes, outputs: tuple[str, ...]) -> Prepared:
    began = time.monotonic()
    picture = state.decoding.decode(data, embedder.bundle.at_least)
    inputs = embedder.prepare(picture.pixels, outputs)
    digest = hashlib.sha256(data).hexdigest()
    state.metrics.stage("decode", time.monotonic() - began)
    return Prepared(digest, picture, inputs)


def _given(ready: Prepared) -> Prepared:
    return ready
