"""How much a picture holds: 0 for a flat picture, one edge, a gradient or noise; most photographs are above 0.5.

A descriptor and local features can only tell pictures apart that hold something. Blank pages, lens caps and plain skies
resemble each other whatever they were taken of. The measure is our own.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE, CELL = 32, 4
"""The picture is reduced to 32 x 32 pixels, in 64 cells of 4 x 4."""
MIN_STEP = 4.0
"""Standard deviation of a cell, in levels of 0..255, from which on it holds something."""
NOISE = 0.3
"""Correlation of neighbouring pixels below which a picture is noise; photographs have 0.8 and more, QR codes 0.5."""
FINE_SIDE = 256
"""Longer side in pixels, at most, at which neighbours are compared."""
LEAST = 0.03
"""Below this, a picture holds next to nothing: at most one of the 64 cells."""

Floats = npt.NDArray[np.float64]


def information(picture: Image.Image) -> float:
    """Share of the 64 cells of an RGB picture that hold something, 0..1."""
    if _neighbours(picture) < NOISE:
        return 0.0
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    variances = np.stack([_cells(_structure(small[..., channel])) for channel in range(3)], axis=-1)
    return float((variances > MIN_STEP**2).any(axis=-1).mean())


def _neighbours(picture: Image.Image) -> float:
    """Correlation of each pixel's brightness with that of its right neighbour; 1 for a flat picture."""
    step = max(1, max(picture.size) // FINE_SIDE)
    grey = np.asarray((picture.reduce(step) if step > 1 else picture).convert("L"), np.float64)
    centred = grey - grey.mean()
    energy = float(np.square(centred).sum())
    pairs = centred[:, :-1].size
    if energy < grey.size or pairs == 0:  # below one level on average
        return 1.0
    return float((centred[:, :-1] * centred[:, 1:]).sum() / pairs / (energy / grey.size))


def _structure(channel: Floats) -> Floats:
    """What is left without the mean and the best product of a column and a row: edges and gradients along an axis."""
    centred = channel - channel.mean()
    left, values, right = np.linalg.svd(centred)
    return np.asarray(centred - values[0] * np.outer(left[:, 0], right[0]))


def _cells(channel: Floats) -> Floats:
    """Variance of each cell: (8, 8) from (32, 32)."""
    count = SIDE // CELL
    return np.asarray(channel.reshape(count, CELL, count, CELL).var(axis=(1, 3)))
