"""Explain a similarity: how much each place of either picture adds to it.

Exact for networks whose features are averaged over places: the embedding is the sum of what each place adds to it (the
output ``contributions`` of a bundle), so that the products of these parts with the embedding of the other picture add
up to the similarity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.model.outputs import PlaceGrid
from copysight.pictures.preprocess import crop_box
from copysight.pictures.regions import Region

Float = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
SIDE = 24
"""Rows and columns of a map: twice as fine as the places of the default bundle."""


@dataclass(frozen=True)
class Part:
    """What was embedded of a picture: ``pixels`` are its part ``box``, turned anticlockwise by ``turn`` degrees.

    ``box``: left, top, right, bottom, as shares of the sides of the whole picture.
    """

    pixels: Image.Image
    box: Box = WHOLE
    turn: int = 0

    @classmethod
    def of(cls, pixels: Image.Image, region: Region | None, turn: int) -> "Part":
        """The part that a query view shows: a region of its picture, or the whole, turned."""
        return cls(pixels, (region.left, region.top, region.right, region.bottom) if region else WHOLE, turn)


@dataclass(frozen=True)
class Explanation:
    """Maps (rows, columns) over two whole pictures; the values of each map add up to ``similarity``.

    A value may be negative: there the pictures differ.
    """

    similarity: float
    one: Float
    other: Float

    def to_json(self) -> dict[str, Any]:
        """The similarity, the grid and both maps as plain data."""
        maps = [[[round(float(value), 7) for value in row] for row in found] for found in (self.one, self.other)]
        return {"similarity": self.similarity, "grid": list(self.one.shape), "maps": maps}


def explain(embedder: Embedder, one: Part, other: Part, side: int = SIDE) -> Explanation:
    """Explain the similarity of two pictures, or of parts of them, by maps of ``side`` x ``side``.

    It is the similarity in float32. Raises ``OutputMissing`` for a bundle without contributions: those of networks
    with a [CLS] token, which has seen all places, cannot have them.
    """
    about = embedder.bundle.contributions
    if about is None:
        raise embedder.bundle.missing("contributions")
    first, second = (_contributions(embedder, part.pixels) for part in (one, other))
    values = similarity_parts(first, second)
    maps = [
        _over_picture(row, about.grids, part, embedder.bundle, side)
        for row, part in zip(values, (one, other), strict=True)
    ]
    return Explanation(float(first.sum(axis=0) @ second.sum(axis=0)), maps[0], maps[1])


def similarity_parts(first: Float, second: Float) -> tuple[Float, Float]:
    """What each place of two pictures adds to their similarity: (P,) and (Q,).

    ``first`` (P, D) and ``second`` (Q, D) are their contributions. Each result adds up to the product of their sums.
    """
    return first @ second.sum(axis=0), second @ first.sum(axis=0)


def place_map(values: Float, grids: Sequence[PlaceGrid], side: int, box: Box = WHOLE) -> Float:
    """Spread the values (P,) of the places of ``grids`` over a map (side, side) with the same sum.

    Each value is spread evenly over the cell of its place. ``box``: the part of the map that the grids cover.
    """
    found, start = np.zeros((side, side)), 0
    for grid in grids:
        part = values[start : start + grid.count].reshape(grid.rows, grid.columns)
        part = part[:, ::-1] if grid.mirrored else part
        left, top, right, bottom = _within(box, grid.box)
        found += spread(grid.rows, side, top, bottom).T @ part @ spread(grid.columns, side, left, right)
        start += grid.count
    return found.astype(np.float32)


def spread(count: int, side: int, start: float, end: float) -> npt.NDArray[np.float64]:
    """Shares (count, side) of each of ``count`` equal cells that lie in each of ``side`` bins.

    The cells divide ``start`` to ``end``, the bins 0 to 1; each row adds up to 1 if its cell lies inside of the bins.
    """
    edges, bins = np.linspace(start, end, count + 1), np.linspace(0, 1, side + 1)
    low = np.maximum(edges[:-1, None], bins[None, :-1])
    high = np.minimum(edges[1:, None], bins[None, 1:])
    return np.asarray(np.maximum(high - low, 0) * count / (end - start))


def _contributions(embedder: Embedder, picture: Image.Image) -> Float:
    found = embedder.run([embedder.prepare(picture, ("contributions",))], ("contributions",)).contributions
    if found is None:
        raise embedder.bundle.missing("contributions")
    return np.asarray(found[0], np.float32)


def _over_picture(values: Float, grids: Sequence[PlaceGrid], part: Part, bundle: Bundle, side: int) -> Float:
    """The map over the whole picture, of values on the network's input for a part of it."""
    width, height = part.pixels.size
    left, top, right, bottom = crop_box(width, height, bundle.graphs[bundle.graph_of("contributions")].preprocess)
    seen = (left / width, top / height, right / width, bottom / height)
    if not part.turn:
        return place_map(values, grids, side, _within(part.box, seen))
    # The map of the part as it was embedded, turned back, and then laid on its place.
    upright = np.rot90(place_map(values, grids, side, seen), -(part.turn // 90))
    return place_map(upright.ravel(), (PlaceGrid(side, side, part.box),), side)


def _within(outer: Box, inner: Box) -> Box:
    """A box whose sides are shares of ``outer``, as shares of the whole."""
    left, top, right, bottom = outer
    width, height = right - left, bottom - top
    return (left + inner[0] * width, top + inner[1] * height, left + inner[2] * width, top + inner[3] * height)
