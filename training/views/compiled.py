"""Augment one crop on a CPU, compiled with numba: the operations that ``colour`` applies to batches.

Torch passes over memory once per call, 39 times for hue alone. Here a block of pixels goes through several operations
while it is in the L1 cache. Contrast needs the mean of the whole picture, so there are two runs: before and after it.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from training.views.colour import LUMA, PASSES, SOLARISE_THRESHOLD

Floats = npt.NDArray[np.float32]
BLOCK = 2048
"""Pixels that go through several operations at a time."""
# All numbers are float32, because one float64 in a formula makes the whole formula float64.
RED, GREEN, BLUE = (np.float32(share) for share in LUMA)
SOLARISE_FROM = np.float32(SOLARISE_THRESHOLD)
ZERO, ONE, TWO, THREE, FOUR, SIX = (np.float32(number) for number in (0, 1, 2, 3, 4, 6))
SIXTH, TINY, LEVEL = np.float32(1 / 6), np.float32(1e-8), np.float32(1 / 255)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)

compiled = njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@compiled
def augment(
    crop: npt.NDArray[np.uint8],
    out: Floats,
    mirrored: bool,
    order: npt.NDArray[np.int64],
    factors: Floats,
    grey: bool,
    window: Floats,
    solarise: bool,
    scale: Floats,
    offset: Floats,
) -> None:
    """Mirror, jitter, grey, blur, solarise and normalise ``crop`` (H, W, 3) of 0..255 into ``out`` (3, H, W).

    ``order``: none or all four colour operations, as indices into ``colour.OPERATIONS``. ``factors`` (4,): one for each
    operation. ``window``: box filter with an odd number of taps, applied in three passes; one tap means no blur.
    ``scale`` and ``offset`` (3,) normalise a channel x in 0..1: ``scale * x + offset``.
    """
    pixels = out.reshape(3, -1)
    contrast = 0
    while contrast < len(order) and order[contrast] != CONTRAST:
        contrast += 1
    mean = _before_contrast(crop, out, mirrored, order[:contrast], factors)
    for start in range(0, pixels.shape[1], BLOCK):
        red, green, blue = _planes(pixels, start, start + BLOCK)
        if contrast < len(order):
            _contrast(red, green, blue, factors[CONTRAST], mean)
        for step in order[contrast + 1 :]:
            _adjust(red, green, blue, step, factors[step])
        if grey:
            _saturation(red, green, blue, ZERO)
    for channel in range(3):
        if len(window) > 1:
            _blur(out[channel], window)
        _normalise(pixels[channel], solarise, scale[channel], offset[channel])


@compiled
def _before_contrast(
    crop: npt.NDArray[np.uint8], out: Floats, mirrored: bool, order: npt.NDArray[np.int64], factors: Floats
) -> np.float32:
    """Mirror, and apply the operations before contrast. Returns the mean luma, which contrast blends with."""
    height, width = out.shape[1:]
    pixels = out.reshape(3, -1)
    rows, total = max(1, BLOCK // width), 0.0
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        _load(crop, out, top, bottom, mirrored)
        red, green, blue = _planes(pixels, top * width, bottom * width)
        for step in order:
            _adjust(red, green, blue, step, factors[step])
        total += _luma(red, green, blue)
    return np.float32(total / pixels.shape[1])


@compiled
def _planes(pixels: Floats, start: int, stop: int) -> tuple[Floats, Floats, Floats]:
    """Slices along one axis, which are contiguous for the compiler; slices of two axes would not be vectorised."""
    return pixels[0][start:stop], pixels[1][start:stop], pixels[2][start:stop]


@compiled
def _load(crop: npt.NDArray[np.uint8], out: Floats, top: int, bottom: int, mirrored: bool) -> None:
    last = out.shape[2] - 1
    for channel in range(3):
        plane = out[channel]
        for y in range(top, bottom):
            if mirrored:
                for x in range(last + 1):
                    plane[y, x] = np.float32(crop[y, last - x, channel]) * LEVEL
            else:
                for x in range(last + 1):
                    plane[y, x] = np.float32(crop[y, x, channel]) * LEVEL


@compiled
def _luma(red: Floats, green: Floats, blue: Floats) -> np.float32:
    total = ZERO
    for i in range(len(red)):
        total += RED * red[i] + GREEN * green[i] + BLUE * blue[i]
    return total


@compiled
def _adjust(red: Floats, green: Floats, blue: Floats, step: int, factor: np.float32) -> None:
    if step == BRIGHTNESS:
        _contrast(red, green, blue, factor, ZERO)
    elif step == SATURATION:
        _saturation(red, green, blue, factor)
    else:
        _hue(red, green, blue, factor)


@compiled
def _contrast(red: Floats, green: Floats, blue: Floats, factor: np.float32, mean: np.float32) -> None:
    """Blend with ``mean``. Brightness is the same with mean 0."""
    rest = mean * (ONE - factor)
    for plane in (red, green, blue):
        for i in range(len(plane)):
            plane[i] = _clamp(plane[i] * factor + rest)


@compiled
def _saturation(red: Floats, green: Floats, blue: Floats, factor: np.float32) -> None:
    for i in range(len(red)):
        grey = (RED * red[i] + GREEN * green[i] + BLUE * blue[i]) * (ONE - factor)
        red[i] = _clamp(red[i] * factor + grey)
        green[i] = _clamp(green[i] * factor + grey)
        blue[i] = _clamp(blue[i] * factor + grey)


@compiled
def _hue(red: Floats, green: Floats, blue: Floats, shift: np.float32) -> None:
    """Rotate the hue; the formula is in ``colour.hue``."""
    for i in range(len(red)):
        value = max(red[i], green[i], blue[i])
        low = min(red[i], green[i], blue[i])
        chroma = value - low
        scale = ONE / max(chroma, TINY)
        from_red = (green[i] - blue[i]) * scale
        from_green = (blue[i] - red[i]) * scale + TWO
        from_blue = (red[i] - green[i]) * scale + FOUR
        sector = from_red if value == red[i] else (from_green if value == green[i] else from_blue)
        sector += SIX * shift
        sector -= SIX * np.floor(sector * SIXTH)
        red[i] = low + chroma * _clamp(abs(sector - THREE) - ONE)
        green[i] = value - chroma * _clamp(abs(sector - TWO) - ONE)
        blue[i] = value - chroma * _clamp(abs(sector - FOUR) - ONE)


@compiled
def _blur(plane: Floats, window: Floats) -> None:
    """Filter three times along rows and three times along columns, with repeated borders."""
    (height, width), reach = plane.shape, len(window) // 2
    line = np.empty(width + 2 * reach, np.float32)
    for y in range(height):
        row = plane[y]
        for _ in range(PASSES):
            line[:reach] = row[0]
            line[reach : reach + width] = row
            line[reach + width :] = row[width - 1]
            row *= window[reach]
            for away in range(1, reach + 1):
                left, right = reach - away, reach + away
                _add(row, window[left], line[left : left + width], line[right : right + width])
    source, target = plane, np.empty((height, width), np.float32)
    for _ in range(PASSES):
        for y in range(height):
            row = target[y]
            _scale(row, window[reach], source[y])
            for away in range(1, reach + 1):
                _add(row, window[reach - away], source[max(y - away, 0)], source[min(y + away, height - 1)])
        source, target = target, source
    plane[:] = source


@compiled
def _scale(row: Floats, weight: np.float32, one: Floats) -> None:
    for x in range(len(row)):
        row[x] = weight * one[x]


@compiled
def _add(row: Floats, weight: np.float32, one: Floats, other: Floats) -> None:
    for x in range(len(row)):
        row[x] += weight * (one[x] + other[x])


@compiled
def _normalise(plane: Floats, solarise: bool, scale: np.float32, offset: np.float32) -> None:
    for i in range(len(plane)):
        shown = ONE - plane[i] if solarise and plane[i] >= SOLARISE_FROM else plane[i]
        plane[i] = shown * scale + offset


@compiled
def _clamp(x: np.float32) -> np.float32:
    return max(ZERO, min(ONE, x))
