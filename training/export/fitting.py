"""What an export learns from unlabelled pictures: whitening, the background, a calibration, the ranges of int8."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import nn

from copysight.errors import PictureError, TooFewPictures
from copysight.model.embedder import Embedder
from copysight.pictures import edits
from copysight.pictures.decode import decode
from copysight.pictures.scan import Entry, scan
from copysight.scoring import self_calibration
from training.export import whitening

Float = npt.NDArray[np.float32]
Picture = Image.Image
PAIRS, BACKGROUND, COLLECTION, RANGES = 2000, 3000, 2000, 200
"""How many pictures fit the whitening, make the background, make the collection in which the calibration is rehearsed,
and set the ranges of int8; with fewer at hand, each takes its share."""
LEAST = 100


@dataclass(frozen=True)
class Fitting:
    """Pictures (a folder or tar shards, labels unused), and what to fit. ``whiten`` is the dimension, 0 for none."""

    pictures: Path
    whiten: int = 0
    int8: bool = False
    seed: int = 0


class Photographs:
    """A sample of pictures that can be read, in an order that follows the seed.

    The background and the collection of the calibration share none. Raises ``TooFewPictures``.
    """

    def __init__(self, fitting: Fitting) -> None:
        entries = scan(fitting.pictures).entries
        self._rng = np.random.default_rng(fitting.seed)
        self._entries = [entries[int(place)] for place in self._rng.permutation(len(entries))]
        if len(entries) < LEAST:
            raise TooFewPictures(
                f"got {len(entries)} pictures at {fitting.pictures}; an export learns from {LEAST} at least"
            )

    def first(self, count: int) -> list[Picture]:
        """The first ``count`` pictures, or as many as there are."""
        return _read(self._entries[:count])

    def halves(self) -> tuple[list[Picture], list[Picture]]:
        """Pictures for the background and others for the collection, in the ratio of their wanted numbers."""
        whole = min(len(self._entries), BACKGROUND + COLLECTION)
        cut = whole * BACKGROUND // (BACKGROUND + COLLECTION)
        return _read(self._entries[:cut]), _read(self._entries[cut:whole])

    def generator(self, purpose: int) -> np.random.Generator:
        """Random numbers for one purpose."""
        return self._rng.spawn(purpose + 1)[purpose]


def whiten(embedder: Embedder, photographs: Photographs, dimension: int) -> nn.Linear:
    """The whitening layer for embeddings that have none yet, from pictures and one strongly edited copy of each."""
    pictures, rng = photographs.first(PAIRS), photographs.generator(0)
    copies = [edits.strong(picture, rng, _others(pictures, rng)) for picture in pictures]
    return whitening.fit(embedder.embed_each(pictures), embedder.embed_each(copies), dimension).module()


def background(embedder: Embedder, pictures: Sequence[Picture]) -> npt.NDArray[np.float16]:
    """Their embeddings (M, D), float16: what the bundle keeps."""
    return embedder.embed_each(pictures).astype(np.float16)


def calibration(
    embedder: Embedder, background: Float, pictures: Sequence[Picture], photographs: Photographs
) -> dict[str, Any]:
    """The bundle's own calibrations and curves: edited copies of all the ``pictures`` are asked for among them."""
    vectors, rng = embedder.embed_each(pictures), photographs.generator(1)
    seen = self_calibration.rehearse(pictures, np.arange(len(pictures)), vectors, background, embedder.embed_each, rng)
    found = self_calibration.calibrations(seen, self_calibration.shapes(seen), source="bundle")
    return {effort: one.to_json() for effort, one in found.items()}


def agreement(one: Embedder, other: Embedder, pictures: Sequence[Picture]) -> float:
    """The least cosine between the embeddings that two embedders give of the same pictures."""
    return float((one.embed_each(pictures) * other.embed_each(pictures)).sum(axis=1).min())


def _read(entries: Sequence[Entry]) -> list[Picture]:
    """Pictures at the size of thumbnails; what cannot be read is left out, as everywhere."""
    with ThreadPoolExecutor() as pool:
        return [picture for picture in pool.map(_decoded, entries) if picture is not None]


def _decoded(entry: Entry) -> Picture | None:
    try:
        picture = decode(entry.read(), at_least=512).pixels
    except PictureError:
        return None
    picture.thumbnail((512, 512))
    return picture


def _others(pictures: Sequence[Picture], rng: np.random.Generator) -> list[Picture]:
    return [pictures[int(place)] for place in rng.integers(0, len(pictures), 2)]
