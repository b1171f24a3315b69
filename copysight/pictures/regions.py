"""Pictures within a picture: upright rectangles with straight edges, as pages, screenshots, frames and collages have.

A step of brightness or colour that stands out from its surroundings is an edge; a side of a rectangle is supported by
the share of its length that lies on one. Our own method; its constants were chosen on photographs of no benchmark.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 192
"""Length in pixels of the longer side of the picture that is searched."""
STEP, CONTRAST, AROUND = 8.0, 1.6, 5
"""An edge is a step of at least so many levels, and so many times the mean step within so many pixels of it."""
LINES = 14
"""Columns and rows with the most edge that may be sides."""
LEAST_LINE, LEAST_LENGTH = 0.08, 0.12
"""Shares of the picture's side: of edge on a line, and of a rectangle's length."""
LEAST_AREA, MOST_AREA = 0.04, 0.92
LEAST_SUPPORT = 0.45
MOST_PLAIN = 0.75
"""Share of the two commonest of 512 colours from which on a rectangle is a button or a page, and no picture."""
ALIKE = 0.6
"""Intersection over union from which on two rectangles are one."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """A rectangle in shares of a picture's width and height, and the ``support`` of its sides, 0..1."""

    left: float
    top: float
    right: float
    bottom: float
    support: float

    def crop(self, picture: Image.Image) -> Image.Image:
        """What lies within."""
        width, height = picture.size
        left, top = round(self.left * width), round(self.top * height)
        return picture.crop(
            (left, top, max(left + 1, round(self.right * width)), max(top + 1, round(self.bottom * height)))
        )


def regions(picture: Image.Image, most: int = 4) -> list[Region]:
    """At most ``most`` rectangles of an RGB picture that look like pictures of their own, the best supported first."""
    scale = SIDE / max(picture.size)
    small = picture.resize([max(16, round(side * scale)) for side in picture.size], Image.Resampling.BOX)
    pixels = np.asarray(small)
    height, width = pixels.shape[:2]
    upright, level = _edges(pixels), _edges(pixels.transpose(1, 0, 2))
    boxes = _boxes(_lines(upright, width), _lines(level, height), width, height)
    support = _support(boxes, _along(upright), _along(level), width, height)
    found: list[tuple[Ints, float]] = []
    for row in np.argsort(-support, kind="stable"):
        if support[row] <= 0 or len(found) == most:
            break
        if all(_overlap(boxes[row], other) < ALIKE for other, _ in found) and not _plain(pixels, boxes[row]):
            found.append((boxes[row], float(support[row])))
    return [Region(*_shares(box, width, height), support) for box, support in found]


def _edges(pixels: npt.NDArray[np.uint8]) -> Mask:
    """(H, W, 3) to (H, W - 1): whether there is an edge between a pixel and its right neighbour."""
    red, green, blue = np.abs(np.diff(pixels.astype(np.int16), axis=1)).transpose(2, 0, 1)
    steps = np.maximum(np.maximum(red, green), blue).astype(np.float32)
    window = 2 * AROUND + 1
    total = np.cumsum(np.pad(steps, ((0, 0), (AROUND + 1, AROUND)), mode="edge"), axis=1)
    near = (total[:, window:] - total[:, :-window] - steps) / (window - 1)
    return np.asarray(steps > np.maximum(STEP, CONTRAST * near + 2))


def _lines(edges: Mask, length: int) -> Ints:
    """Ascending places 0..length of the columns with the most edge, and of the picture's own sides."""
    mass = edges.sum(axis=0)
    peak = (mass >= np.pad(mass, (1, 0))[:-1]) & (mass > np.pad(mass, (0, 1))[1:]) & (mass >= LEAST_LINE * len(edges))
    places = np.flatnonzero(peak)
    best = places[np.argsort(-mass[places], kind="stable")[:LINES]]
    return np.unique(np.concatenate([[0, length], best + 1]))


def _boxes(columns: Ints, rows: Ints, width: int, height: int) -> Ints:
    """(N, 4): left, top, right, bottom of the rectangles between lines that are neither too small nor the whole."""
    left, right = _pairs(columns, LEAST_LENGTH * width)
    top, bottom = _pairs(rows, LEAST_LENGTH * height)
    across, down = (grid.ravel() for grid in np.meshgrid(np.arange(len(left)), np.arange(len(top))))
    boxes = np.stack([left[across], top[down], right[across], bottom[down]], axis=1)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / (width * height)
    return np.asarray(boxes[(area >= LEAST_AREA) & (area <= MOST_AREA)])


def _pairs(places: Ints, least: float) -> tuple[Ints, Ints]:
    first, second = np.triu_indices(len(places), 1)
    far = places[second] - places[first] >= least
    return places[first][far], places[second][far]


def _along(edges: Mask) -> Floats:
    """(H, W - 1) to (H + 1, W + 1): edges on the line left of pixel x, above row y; resampling blurs one over three."""
    wide = np.pad(edges, ((0, 0), (1, 1)))
    wide[:, 1:-1] |= np.pad(edges, ((0, 0), (1, 0)))[:, :-1] | np.pad(edges, ((0, 0), (0, 1)))[:, 1:]
    return np.pad(np.cumsum(wide, axis=0, dtype=np.float32), ((1, 0), (0, 0)))


def _support(boxes: Ints, upright: Floats, level: Floats, width: int, height: int) -> Floats:
    """(N,): mean of a box's worst side and of all sides, less where sides are the picture's own; 0 for poor ones."""
    left, top, right, bottom = boxes.T
    sides = np.stack(
        [(upright[bottom, x] - upright[top, x]) / (bottom - top) for x in (left, right)]
        + [(level[right, y] - level[left, y]) / (right - left) for y in (top, bottom)]
    )
    inner = np.stack([left > 0, right < width, top > 0, bottom < height])
    worst = np.where(inner, sides, 1.0).min(axis=0, initial=1.0)
    count = inner.sum(axis=0)
    mean = np.where(inner, sides, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.asarray(np.where(worst > LEAST_SUPPORT, (worst + mean) / 2 * (0.7 + 0.075 * count), 0), np.float32)


def _shares(box: Ints, width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = box.tolist()
    return left / width, top / height, right / width, bottom / height


def _overlap(one: Ints, other: Ints) -> float:
    """Intersection over union."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def _plain(pixels: npt.NDArray[np.uint8], box: Ints) -> bool:
    left, top, right, bottom = box
    r, g, b = (pixels[top:bottom, left:right] >> 5).astype(np.int64).transpose(2, 0, 1).reshape(3, -1)
    counts = np.bincount((r * 8 + g) * 8 + b, minlength=512)
    return bool(np.partition(counts, -2)[-2:].sum() >= MOST_PLAIN * counts.sum())
