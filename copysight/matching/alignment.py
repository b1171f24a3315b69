"""Lay the reference over the query and compare what both show: the share that agrees, and the parts that differ."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from copysight.pictures.polygon import Matrix

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

CELL = 12
"""Side of a cell in pixels of the query."""
BLUR = 1.2
"""Standard deviation, in pixels, of the blur before the comparison; it forgives errors of the transform of a pixel."""
MIN_TEXTURE = 6.0
"""Standard deviation of a cell in grey levels, on either side, from which on it shows something."""
MIN_CHANGED = 2
"""Cells of a change."""
SAME, CLOSE = 0.5, 0.9
"""Correlation of a cell from which on both pictures show the same there, and from which on they show it closely: as a
file saved again does, and a second photograph of the same thing does not."""


@dataclass(frozen=True)
class Alignment:
    """Cells of the overlap (rows, columns), of the query: ``compared``, and of these ``differs`` and ``close``.

    A cell is compared if it lies in the overlap and shows something on either side. ``size``: width and height of the
    query in pixels.
    """

    compared: Mask
    differs: Mask
    close: Mask
    size: tuple[int, int]

    def changes(self) -> list[tuple[float, float, float, float]]:
        """Boxes (left, top, right, bottom; shares of the query's sides) around cells that differ, the largest first.

        Neighbouring cells make one box; single cells are left out, because a blurred or moved edge makes some.
        """
        if not self.differs.any():
            return []
        count, _, boxes, _ = cv2.connectedComponentsWithStats(self.differs.astype(np.uint8), connectivity=8)
        large = [boxes[number] for number in range(1, count) if boxes[number][4] >= MIN_CHANGED]
        width, height = self.size
        return [
            (x * CELL / width, y * CELL / height, min(1.0, (x + w) * CELL / width), min(1.0, (y + h) * CELL / height))
            for x, y, w, h, _ in sorted(large, key=lambda box: -int(box[4]))
        ]

    @property
    def cells(self) -> int:
        """Number of compared cells."""
        return int(self.compared.sum())

    @property
    def agreement(self) -> float:
        """Share of the compared cells that show the same, 0..1; 0 if there is none."""
        return float((self.compared & ~self.differs).sum() / max(self.cells, 1))

    @property
    def closeness(self) -> float:
        """Share of the compared cells that show it closely, 0..1; 0 if there is none."""
        return float(self.close.sum() / max(self.cells, 1))


@dataclass(frozen=True)
class Laid:
    """The reference laid over the query: both as grey pictures (h, w), and the cells that lie ``inside`` of both."""

    query: Bytes
    reference: Bytes
    inside: Mask


def lay(query: Bytes, reference: Bytes, transform: Matrix) -> Laid:
    """Lay a grey reference (H, W) over a grey query (h, w) by ``transform`` (reference to query, in pixels).

    No cell is inside if one is empty: the features of a stored picture may be left when its thumbnail is lost.
    """
    height, width = query.shape
    if not query.size or not reference.size:
        return Laid(query, np.zeros_like(query), np.zeros((height // CELL, width // CELL), np.bool_))
    covered = cv2.warpPerspective(np.full_like(reference, 255), transform, (width, height), flags=cv2.INTER_NEAREST)
    laid = cv2.warpPerspective(_reduced(reference, transform), transform, (width, height), flags=cv2.INTER_LINEAR)
    return Laid(query, np.asarray(laid, np.uint8), cell_means((covered > 0).astype(np.float32)) > 0.99)


def align(laid: Laid) -> Alignment:
    """Compare what both pictures show, cell by cell."""
    height, width = laid.query.shape
    if not laid.inside.any():
        return Alignment(laid.inside, laid.inside, laid.inside, (width, height))
    one, other = blurred(laid.query, BLUR), blurred(laid.reference, BLUR)
    mean_1, mean_2 = cell_means(one), cell_means(other)
    variance_1 = np.maximum(cell_means(one * one) - mean_1**2, 0)
    variance_2 = np.maximum(cell_means(other * other) - mean_2**2, 0)
    shared = cell_means(one * other) - mean_1 * mean_2
    correlation = shared / np.sqrt(np.maximum(variance_1 * variance_2, 1e-6))
    compared = laid.inside & (np.maximum(variance_1, variance_2) >= MIN_TEXTURE**2)
    return Alignment(compared, compared & (correlation < SAME), compared & (correlation >= CLOSE), (width, height))


def blurred(pixels: Bytes, deviation: float) -> npt.NDArray[np.float32]:
    """A grey picture (h, w) after a Gaussian filter with this standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), deviation), np.float32)


def cell_means(values: Floats) -> Floats:
    """Mean of each cell: (rows, columns) from (h, w); what does not fill a cell is left out."""
    rows, columns = values.shape[0] // CELL, values.shape[1] // CELL
    if not rows or not columns:
        return np.zeros((rows, columns), values.dtype)
    # With a whole factor this filter is the mean, several times as fast as one by NumPy.
    return np.asarray(
        cv2.resize(values[: rows * CELL, : columns * CELL], (columns, rows), interpolation=cv2.INTER_AREA)
    )


def _reduced(reference: Bytes, transform: Matrix) -> Bytes:
    """The reference, blurred if the transform makes it much smaller, so that the warp does not alias."""
    scale = float(np.sqrt(max(abs(np.linalg.det(transform[:2, :2])), 1e-6)))
    return reference if scale > 0.7 else np.asarray(cv2.GaussianBlur(reference, (0, 0), 0.5 / scale), np.uint8)
