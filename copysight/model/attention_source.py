"""Select the maps that a bundle can show: attention heads, the strongest prototypes of a ResNet, or its objects."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model import object_masks
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import Preprocess, crop_box

Float = npt.NDArray[np.float32]
STRONGEST = 6
"""Number of prototypes that are shown."""
OBJECT = "object"
"""The name of the map of a picture's object."""


@dataclass(frozen=True)
class AttentionSource:
    """``maps`` turns an RGB picture into (H, rows, columns): one map for each of ``names`` (H,).

    ``numbers`` (H,) are the numbers of these heads or prototypes; ``grid`` is (rows, columns).
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    grid: tuple[int, int]
    preprocess: Preprocess
    maps: Callable[[Image.Image], Float]

    def crop(self, picture: Image.Image) -> Image.Image:
        """The part of a picture that the network processes and that the maps cover."""
        left, top, right, bottom = (round(value) for value in crop_box(*picture.size, self.preprocess))
        return picture.crop((left, top, right, bottom))


def attention_source(embedder: Embedder, first: Image.Image, number: int | None = None) -> AttentionSource:
    """Select the maps for ``first``, a picture or the first frame of a video.

    These are the attention heads if the bundle has them, else the prototypes with the largest response in ``first``;
    the same prototypes are used for all frames, so that a colour keeps its meaning. ``number`` selects one head or
    prototype. Raises ``OutputMissing`` if the bundle has neither output, ``InvalidArgument`` if it has no such number.
    """
    bundle = embedder.bundle
    if bundle.attention is not None:
        numbers = _selected(number, bundle.attention.heads, range(bundle.attention.heads), "heads")
        return AttentionSource(
            names=head_names(numbers),
            numbers=numbers,
            grid=bundle.attention.grid,
            preprocess=bundle.graphs[bundle.graph_of("attention")].preprocess,
            maps=lambda picture: embedder.attention_maps([picture])[0][list(numbers)],
        )
    if bundle.activations is not None:
        numbers = _selected(
            number, bundle.activations.count, strongest(embedder.prototype_maps([first])[0]), "prototypes"
        )
        return AttentionSource(
            names=tuple(f"prototype {number}" for number in numbers),
            numbers=numbers,
            grid=bundle.activations.grid,
            preprocess=bundle.graphs[bundle.graph_of("activations")].preprocess,
            maps=lambda picture: subtract_minimum(embedder.prototype_maps([picture])[0][list(numbers)]),
        )
    raise bundle.missing("attention")


def object_source(embedder: Embedder, first: Image.Image) -> AttentionSource:
    """The object of each picture by the bundle's patches: one map of the whole picture, 0 off the object.

    ``grid`` is that of ``first``; pictures of another shape have another one. Raises ``OutputMissing`` for a bundle
    without patches of any size.
    """
    about = embedder.bundle.patches
    if about is None or about.stride is None:
        raise embedder.bundle.missing("patches of any size")
    preprocess = embedder.bundle.graphs[about.graph].preprocess
    return AttentionSource(
        names=(OBJECT,),
        numbers=(0,),
        grid=object_masks.grid(*first.size, about.stride),
        preprocess=replace(preprocess, resize="squash", resize_to=preprocess.size),  # the whole picture
        maps=lambda picture: object_masks.object_map(embedder, picture)[None],
    )


def head_names(numbers: Iterable[int]) -> tuple[str, ...]:
    """The names of attention heads, as every answer and drawing gives them: counted from 0."""
    return tuple(f"head {number}" for number in numbers)


def strongest(activations: Float, count: int = STRONGEST) -> list[int]:
    """The ``count`` prototypes with the largest mean of their logits (K, rows, columns), the largest first."""
    return [int(number) for number in np.argsort(-activations.mean(axis=(1, 2)), kind="stable")[:count]]


def subtract_minimum(activations: Float) -> Float:
    """Logits (H, rows, columns) minus the minimum of each map, as class activation maps are drawn."""
    return np.asarray(activations - activations.min(axis=(1, 2), keepdims=True), np.float32)


def _selected(number: int | None, count: int, default: list[int] | range, kind: str) -> tuple[int, ...]:
    if number is None:
        return tuple(default)
    if number >= count:
        raise InvalidArgument(f"got head {number}; the bundle has {count} {kind}, counted from 0")
    return (number,)
