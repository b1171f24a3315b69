"""Find pictures within a picture: axis-aligned rectangles, as in pages, screenshots, frames and collages.

An edge is a step of brightness or colour that is larger than the steps around it. The support of a rectangle's side is
the share of its length that lies on edges. The method is our own; its constants were chosen on photographs that are in
no benchmark.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 192
"""The picture is resized so that its longer side has this many pixels."""
MIN_STEP, CONTRAST, WINDOW = 8.0, 1.6, 5
"""An edge is a step of more than ``MIN_STEP`` levels that exceeds ``CONTRAST`` times the mean step nearby.

"Nearby" is within ``WINDOW`` pixels on the same line; 2 levels are added to the second bound.
"""
MAX_LINES = 14
"""Number of columns, and of rows, that are considered as sides: those with the most edge pixels."""
MIN_LINE, MIN_LENGTH = 0.08, 0.12
"""Minimum edge pixels on a line and minimum side of a rectangle, as shares of the picture's side."""
MIN_AREA, MAX_AREA = 0.04, 0.92
"""Minimum and maximum area of a rectangle, as shares of the picture's area."""
MIN_SUPPORT = 0.45
MAX_PLAIN = 0.75
"""If the two commonest of 512 colours fill this share of a rectangle, it is a button or a page, not a picture."""
SAME_IOU = 0.6
"""Two rectangles with at least this intersection over union count as one."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """A rectangle, as shares of the picture's width and height, and the ``support`` of its sides, 0..1."""

    left: float
    top: float
    right: float
    bottom: float
    support: float

    def crop(self, picture: Image.Image) -> Image.Image:
        """Cut the region out of ``picture``."""
        width, height = picture.size
        left, top = round(self.left * width), round(self.top * height)
        return picture.crop(
            (left, top, max(left + 1, round(self.right * width)), max(top + 1, round(self.bottom * height)))
        )


def regions(picture: Image.Image, limit: int = 4) -> list[Region]:
    """Find at most ``limit`` rectangles of an RGB picture that may be pictures, the best supported first."""
    pixels = reduced(picture)
    height, width = pixels.shape[:2]
    vertical, horizontal = edges_of(pixels), edges_of(pixels.transpose(1, 0, 2))
    boxes = _boxes(_lines(vertical, width), _lines(horizontal, height), width, height)
    support = _support(boxes, _cumulative(vertical), _cumulative(horizontal), width, height)
    found: list[tuple[Ints, float]] = []
    for row in np.argsort(-support, kind="stable"):
        if support[row] <= 0 or len(found) == limit:
            break
        if all(iou(boxes[row], other) < SAME_IOU for other, _ in found) and not is_plain(pixels, boxes[row]):
            found.append((boxes[row], float(support[row])))
    return [Region(*_relative(box, width, height), support) for box, support in found]


def reduced(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The pixels (rows, columns, 3) at the size at which edges are sought."""
    scale = SIDE / max(picture.size)
    return np.asarray(picture.resize([max(16, round(side * scale)) for side in picture.size], Image.Resampling.BOX))


def edges_of(pixels: npt.NDArray[np.uint8]) -> Mask:
    """(rows, columns, 3) to (rows, columns - 1): whether there is an edge between a pixel and its right neighbour."""
    red, green, blue = np.abs(np.diff(pixels.astype(np.int16), axis=1)).transpose(2, 0, 1)
    steps = np.maximum(np.maximum(red, green), blue).astype(np.float32)
    window = 2 * WINDOW + 1
    total = np.cumsum(np.pad(steps, ((0, 0), (WINDOW + 1, WINDOW)), mode="edge"), axis=1)
    near = (total[:, window:] - total[:, :-window] - steps) / (window - 1)
    return np.asarray(steps > np.maximum(MIN_STEP, CONTRAST * near + 2))


def _lines(edges: Mask, length: int) -> Ints:
    """Positions (0..length, ascending) of the columns with the most edge pixels, and of the picture's own sides."""
    count = edges.sum(axis=0)
    peak = (count >= np.pad(count, (1, 0))[:-1]) & (count > np.pad(count, (0, 1))[1:])
    positions = np.flatnonzero(peak & (count >= MIN_LINE * len(edges)))
    best = positions[np.argsort(-count[positions], kind="stable")[:MAX_LINES]]
    return np.unique(np.concatenate([[0, length], best + 1]))


def _boxes(columns: Ints, rows: Ints, width: int, height: int) -> Ints:
    """(N, 4) left, top, right, bottom: rectangles between lines, without those that are too small or too large."""
    left, right = _pairs(columns, MIN_LENGTH * width)
    top, bottom = _pairs(rows, MIN_LENGTH * height)
    across, down = (grid.ravel() for grid in np.meshgrid(np.arange(len(left)), np.arange(len(top))))
    boxes = np.stack([left[across], top[down], right[across], bottom[down]], axis=1)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / (width * height)
    return np.asarray(boxes[(area >= MIN_AREA) & (area <= MAX_AREA)])


def _pairs(positions: Ints, min_length: float) -> tuple[Ints, Ints]:
    first, second = np.triu_indices(len(positions), 1)
    far = positions[second] - positions[first] >= min_length
    return positions[first][far], positions[second][far]


def _cumulative(edges: Mask) -> Floats:
    """(rows, columns - 1) to (rows + 1, columns + 1): number of edges on the line left of pixel x, above row y.

    An edge also counts for the lines next to it, because resampling blurs an edge over three pixels.
    """
    return np.pad(np.cumsum(widened(edges), axis=0, dtype=np.float32), ((1, 0), (0, 0)))


def widened(edges: Mask) -> Mask:
    """(rows, columns - 1) to (rows, columns + 1): whether an edge lies at the left side of pixel x, or next to it."""
    wide = np.pad(edges, ((0, 0), (1, 1)))
    wide[:, 1:-1] |= np.pad(edges, ((0, 0), (1, 0)))[:, :-1] | np.pad(edges, ((0, 0), (0, 1)))[:, 1:]
    return wide


def _support(boxes: Ints, vertical: Floats, horizontal: Floats, width: int, height: int) -> Floats:
    """(N,): mean of the worst side's support and of the mean support of all sides; 0 if the worst side is too poor.

    Sides that are the picture's own are not counted; each of them lowers the factor (1 for four inner sides) by 0.075.
    """
    left, top, right, bottom = boxes.T
    sides = np.stack(
        [(vertical[bottom, x] - vertical[top, x]) / (bottom - top) for x in (left, right)]
        + [(horizontal[right, y] - horizontal[left, y]) / (right - left) for y in (top, bottom)]
    )
    inner = np.stack([left > 0, right < width, top > 0, bottom < height])
    worst = np.where(inner, sides, 1.0).min(axis=0, initial=1.0)
    count = inner.sum(axis=0)
    mean = np.where(inner, sides, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.asarray(np.where(worst > MIN_SUPPORT, (worst + mean) / 2 * (0.7 + 0.075 * count), 0), np.float32)


def _relative(box: Ints, width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = box.tolist()
    return left / width, top / height, right / width, bottom / height


def iou(one: Ints, other: Ints) -> float:
    """Intersection over union of two rectangles (left, top, right, bottom)."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def is_plain(pixels: npt.NDArray[np.uint8], box: Ints) -> bool:
    """Whether two of 512 colours fill most of a rectangle (left, top, right, bottom)."""
    left, top, right, bottom = box
    r, g, b = (pixels[top:bottom, left:right] >> 5).astype(np.int64).transpose(2, 0, 1).reshape(3, -1)
    counts = np.bincount((r * 8 + g) * 8 + b, minlength=512)
    return bool(np.partition(counts, -2)[-2:].sum() >= MAX_PLAIN * counts.sum())
