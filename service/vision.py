"""One request's pictures: decoded and prepared in threads, through the model, back in order."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.embedder import Embedder, Features, Inputs
from copysight.errors import PictureError
from copysight.images import Picture
from service import threads
from service.batching import Turn
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


@dataclass(frozen=True)
class _Prepared:
    sha256: str
    picture: Picture
    inputs: Inputs


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
    async with few:
        found = await threads.on(state.decoders, _prepare, state, embedder, data, outputs)
    if isinstance(found, PictureError):
        return _rejected(state, found)
    return Seen(data, found.sha256, found.picture, await state.batcher.run(turn, embedder, found.inputs, outputs))


def _rejected(state: State, error: PictureError) -> PictureError:
    state.metrics.rejections.labels(error.code).inc()
    return error


def _prepare(state: State, embedder: Embedder, data: bytes, outputs: tuple[str, ...]) -> _Prepared | PictureError:
    began = time.monotonic()
    try:
        picture = state.decoding.decode(data, embedder.bundle.at_least)
    except PictureError as error:
        return error
    inputs = embedder.prepare(picture.pixels, outputs)
    digest = hashlib.sha256(data).hexdigest()
    state.metrics.stage("decode", time.monotonic() - began)
    return _Prepared(digest, picture, inputs)
