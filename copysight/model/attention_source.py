"""What a bundle looks at: the heads of its attention, or where a ResNet's strongest prototypes respond."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import Preprocess, seen

Float = npt.NDArray[np.float32]
STRONGEST = 6


@dataclass(frozen=True)
class AttentionSource:
    """``of`` maps an RGB picture to (H, rows, columns), a map for each of ``names`` (H); ``numbers`` (H,) tell them."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    grid: tuple[int, int]
    preprocess: Preprocess
    of: Callable[[Image.Image], Float]

    def part(self, picture: Image.Image) -> Image.Image:
        """What the network sees of a picture, and maps cover."""
        left, top, right, bottom = (round(value) for value in seen(*picture.size, self.preprocess))
        return picture.crop((left, top, right, bottom))


def attention_source(embedder: Embedder, first: Image.Image, one: int | None = None) -> AttentionSource:
    """How the bundle of ``embedder`` looks at ``first``, and at what comes after it in a video.

    Heads of attention where there are some; else the prototypes that respond most in ``first``, so that one colour
    means one prototype through a whole video. ``one``: that head or prototype alone. Raises ``OutputMissing`` for a
    bundle that gives neither, ``InvalidArgument`` if ``one`` is none of them.
    """
    bundle = embedder.bundle
    if bundle.attention is not None:
        numbers = _chosen(one, bundle.attention.heads, range(bundle.attention.heads), "heads")
        return AttentionSource(
            names=tuple(f"head {number}" for number in numbers),
            numbers=numbers,
            grid=bundle.attention.grid,
            preprocess=bundle.graphs[bundle.graph_of("attention")].preprocess,
            of=lambda picture: embedder.attend([picture])[0][list(numbers)],
        )
    if bundle.activations is not None:
        numbers = _chosen(one, bundle.activations.count, strongest(embedder.activate([first])[0]), "prototypes")
        return AttentionSource(
            names=tuple(f"prototype {number}" for number in numbers),
            numbers=numbers,
            grid=bundle.activations.grid,
            preprocess=bundle.graphs[bundle.graph_of("activations")].preprocess,
            of=lambda picture: above_least(embedder.activate([picture])[0][list(numbers)]),
        )
    raise bundle.missing("attention")


def strongest(activations: Float, count: int = STRONGEST) -> list[int]:
    """The prototypes whose logits (K, rows, columns) are largest over the whole picture, the largest first."""
    return [int(number) for number in np.argsort(-activations.mean(axis=(1, 2)), kind="stable")[:count]]


def above_least(activations: Float) -> Float:
    """Logits (H, rows, columns) above the least of their map, as class activation maps are drawn."""
    return np.asarray(activations - activations.min(axis=(1, 2), keepdims=True), np.float32)


def _chosen(one: int | None, count: int, usual: list[int] | range, kind: str) -> tuple[int, ...]:
    if one is None:
        return tuple(usual)
    if one >= count:
        raise InvalidArgument(f"got head {one}, the bundle has {count} {kind}, counted from 0")
    return (one,)
