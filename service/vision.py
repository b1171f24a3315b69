"""One request's pictures: decoded and prepared in threads, through the model, back in order."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight import images
from copysight.embedder import Embedder, Features, Inputs
from copysight.errors import PictureError
from copysight.images import Picture
from service import threads
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
    data: bytes
    sha256: str
    picture: Picture
    inputs: Inputs


async def look(
    state: State, embedder: Embedder, data: Sequence[bytes], outputs: tuple[str, ...]
) -> list[Seen | PictureError]:
    """Outputs of the model for each picture, or the error that one picture has: neighbours are unharmed.

    Raises ``OutputMissing`` before any work, and what the queue raises.
    """
    for output in outputs:
        embedder.bundle.graph_of(output)
    work = (threads.on(state.decoders, _prepare, state, embedder, one, outputs) for one in data)
    prepared = await asyncio.gather(*work)
    good = [one for one in prepared if isinstance(one, _Prepared)]
    features = iter(await state.batcher.run(embedder, [one.inputs for one in good], outputs) if good else [])
    found: list[Seen | PictureError] = []
    for one in prepared:
        if isinstance(one, PictureError):
            state.metrics.rejections.labels(one.code).inc()
            found.append(one)
        else:
            found.append(Seen(one.data, one.sha256, one.picture, next(features)))
    return found


async def look_at_one(state: State, embedder: Embedder, data: bytes, outputs: tuple[str, ...]) -> Seen:
    """The same for a single picture, whose error is the request's."""
    [seen] = await look(state, embedder, [data], outputs)
    if isinstance(seen, PictureError):
        raise seen
    return seen


def _prepare(state: State, embedder: Embedder, data: bytes, outputs: tuple[str, ...]) -> _Prepared | PictureError:
    began = time.monotonic()
    try:
        picture = images.decode(data, state.settings.limits, embedder.bundle.at_least)
    except PictureError as error:
        return error
    inputs = embedder.prepare(picture.pixels, outputs)
    digest = hashlib.sha256(data).hexdigest()
    state.metrics.stage("decode", time.monotonic() - began)
    return _Prepared(data, digest, picture, inputs)
