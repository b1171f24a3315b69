"""Resize and normalise video frames and masks as DINO's DAVIS evaluation does."""

import numpy as np
import numpy.typing as npt
from PIL import Image

Float = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.228, 0.224, 0.225], np.float32)  # 0.228, not 0.229: as in the released evaluation
MULTIPLE = 64
FIXED_POINT_ONE = 2048
"""The weight 1.0 in OpenCV's fixed-point bilinear interpolation."""


def target_size(height: int, width: int, shortest: int, multiple: int = MULTIPLE) -> tuple[int, int]:
    """Return (height, width): the shortest side is ``shortest``; the other keeps the aspect ratio.

    The longer side is rounded down to a multiple of ``multiple``, in DINO of 64.
    """
    if height > width:
        return int(shortest * height / width // multiple * multiple), shortest
    return shortest, int(shortest * width / height // multiple * multiple)


def prepare(frame: Pixels, shortest: int, multiple: int = MULTIPLE, mean: Float = MEAN, std: Float = STD) -> Float:
    """Resize and normalise an RGB frame (height, width, 3) uint8; return (3, h, w) float32.

    ``mean`` and ``std`` (3,) are for channel values in 0..1.
    """
    resized = resize(frame, *target_size(frame.shape[0], frame.shape[1], shortest, multiple))
    return np.ascontiguousarray(((resized.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1))


def shrink_mask(mask: Pixels, height: int, width: int) -> Pixels:
    """Resize labels (H, W) to (height, width) by nearest neighbour. Also enlarges them to the original size."""
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def resize(frame: Pixels, height: int, width: int) -> Pixels:
    """Resize (H, W, 3) to (height, width, 3) uint8: bilinear, no antialiasing, OpenCV's fixed-point arithmetic."""
    top, below, y = _taps(frame.shape[0], height)
    left, right, x = _taps(frame.shape[1], width)
    columns = frame.astype(np.int64)
    columns = columns[:, left] * (FIXED_POINT_ONE - x)[:, None] + columns[:, right] * x[:, None]
    rows = columns >> 4
    y = y[:, None, None]
    mixed = (((FIXED_POINT_ONE - y) * rows[top]) >> 16) + ((y * rows[below]) >> 16)
    return ((mixed + 2) >> 2).clip(0, 255).astype(np.uint8)


def _taps(before: int, after: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the two source positions of every target position, and the weight (of 2048) of the second."""
    place = (np.arange(after) + 0.5) * (before / after) - 0.5
    first = np.floor(place).astype(np.int64)
    weight = np.rint((place - first).astype(np.float32) * FIXED_POINT_ONE).astype(np.int64)
    weight[(first < 0) | (first >= before - 1)] = 0
    first = first.clip(0, before - 1)
    return first, np.minimum(first + 1, before - 1), weight
