"""Frames and masks of a video at the size that the features want, and back (DINO's DAVIS evaluation)."""

import numpy as np
import numpy.typing as npt
from PIL import Image

Float = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.228, 0.224, 0.225], np.float32)  # .228: the released evaluation has it so
MULTIPLE = 64
ONE = 2048
"""Fixed-point one of OpenCV's bilinear weights."""


def target_size(height: int, width: int, shortest: int) -> tuple[int, int]:
    """(height, width): the shortest side becomes ``shortest``, the other keeps the aspect, cut to a multiple of 64."""
    if height > width:
        return int(shortest * height / width // MULTIPLE * MULTIPLE), shortest
    return shortest, int(shortest * width / height // MULTIPLE * MULTIPLE)


def prepare(frame: Pixels, shortest: int) -> Float:
    """RGB (height, width, 3) to (3, h, w) float32, resized and normalised."""
    resized = resize(frame, *target_size(frame.shape[0], frame.shape[1], shortest))
    return np.ascontiguousarray(((resized.astype(np.float32) / np.float32(255) - MEAN) / STD).transpose(2, 0, 1))


def shrink_mask(mask: Pixels, height: int, width: int) -> Pixels:
    """Labels (H, W) to (height, width), nearest: also for the way back to the original size."""
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def resize(frame: Pixels, height: int, width: int) -> Pixels:
    """Bilinear, without antialias, in OpenCV's fixed-point arithmetic: (H, W, 3) to (height, width, 3) uint8."""
    top, below, y = _taps(frame.shape[0], height)
    left, right, x = _taps(frame.shape[1], width)
    columns = frame.astype(np.int64)
    columns = columns[:, left] * (ONE - x)[:, None] + columns[:, right] * x[:, None]
    rows = columns >> 4
    y = y[:, None, None]
    mixed = (((ONE - y) * rows[top]) >> 16) + ((y * rows[below]) >> 16)
    return ((mixed + 2) >> 2).clip(0, 255).astype(np.uint8)


def _taps(before: int, after: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The two source positions of every target one, and the weight (of 2048) of the second."""
    place = (np.arange(after) + 0.5) * (before / after) - 0.5
    first = np.floor(place).astype(np.int64)
    weight = np.rint((place - first).astype(np.float32) * ONE).astype(np.int64)
    weight[(first < 0) | (first >= before - 1)] = 0
    first = first.clip(0, before - 1)
    return first, np.minimum(first + 1, before - 1), weight
