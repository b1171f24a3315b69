"""On a CPU: one resized crop to one normalised view, compiled. The same operations as ``colour``, which does batches.

Torch passes over memory once per call, 39 times for hue alone; here a few rows go through several operations while the
first cache holds them. Contrast needs the mean of the whole picture, so there are two such runs: before it, and after.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from training.views.colour import LUMA, PASSES, THRESHOLD

Floats = npt.NDArray[np.float32]
BLOCK = 2048
"""Pixels that go through several operations at a time."""
# Every number is float32: one float64 in a formula makes all of it twice as wide.
RED, GREEN, BLUE = (np.float32(share) for share in LUMA)
CUT = np.float32(THRESHOLD)
ZERO, ONE, TWO, THREE, FOUR, SIX = (np.float32(number) for number in (0, 1, 2, 3, 4, 6))
SIXTH, TINY, LEVEL = np.float32(1 / 6), np.float32(1e-8), np.float32(1 / 255)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)

compiled = njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@compiled
def finish(
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
    """Mirror, jitter, grey, blur, solarise, normalise: ``crop`` (S, S, 3) of 0..255 to ``out`` (3, S, S).

    ``order``: the colour operations, numbered as in ``colour.OPERATIONS``, none or all four; ``factors`` (4,): one for
    each. ``window``: odd taps of the box that blurs in three passes, one tap for no blur. ``scale`` and ``offset`` (3,)
    normalise a channel in 0..1: ``scale * x + offset``.
    """
    pixels = out.reshape(3, -1)
    contrast = 0
    while contrast < len(order) and order[contrast] != CONTRAST:
        contrast += 1
    mean = _begin(crop, out, mirrored, order[:contrast], factors)
    for start in range(0, pixels.shape[1], BLOCK):
        red, green, blue = _planes(pixels, start, start + BLOCK)
        if contrast < len(order):
            _contrast(red, green, blue, factors[CONTRAST], mean)
        for step in order[contrast + 1 :]:
            _change(red, green, blue, step, factors[step])
        if grey:
            _saturation(red, green, blue, ZERO)
    for channel in range(3):
        if len(window) > 1:
            _blur(out[channel], window)
        _normalise(pixels[channel], solarise, scale[channel], offset[channel])


@compiled
def _begin(
    crop: npt.NDArray[np.uint8], out: Floats, mirrored: bool, order: npt.NDArray[np.int64], factors: Floats
) -> np.float32:
    """Mirror, and whatever comes before contrast; returns the mean luma, with which contrast blends."""
    size = out.shape[1]
    pixels = out.reshape(3, -1)
    rows, total = max(1, BLOCK // size), 0.0
    for top in range(0, size, rows):
        bottom = min(top + rows, size)
        _load(crop, out, top, bottom, mirrored)
        red, green, blue = _planes(pixels, top * size, bottom * size)
        for step in order:
            _change(red, green, blue, step, factors[step])
        total += _luma(red, green, blue)
    return np.float32(total / pixels.shape[1])


@compiled
def _planes(pixels: Floats, start: int, stop: int) -> tuple[Floats, Floats, Floats]:
    """Slices of one axis: of two, the compiler would not know that they lie side by side, and would not vectorise."""
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
def _change(red: Floats, green: Floats, blue: Floats, step: int, factor: np.float32) -> None:
    if step == BRIGHTNESS:
        _contrast(red, green, blue, factor, ZERO)
    elif step == SATURATION:
        _saturation(red, green, blue, factor)
    else:
        _hue(red, green, blue, factor)


@compiled
def _contrast(red: Floats, green: Floats, blue: Floats, factor: np.float32, mean: np.float32) -> None:
    """Blend with ``mean``; brightness blends with black."""
    rest = mean * (ONE - factor)
    for plane in (red, green, blue):
        for i in range(len(plane)):
            plane[i] = _cut(plane[i] * factor + rest)


@compiled
def _saturation(red: Floats, green: Floats, blue: Floats, factor: np.float32) -> None:
    for i in range(len(red)):
        grey = (RED * red[i] + GREEN * green[i] + BLUE * blue[i]) * (ONE - factor)
        red[i] = _cut(red[i] * factor + grey)
        green[i] = _cut(green[i] * factor + grey)
        blue[i] = _cut(blue[i] * factor + grey)


@compiled
def _hue(red: Floats, green: Floats, blue: Floats, shift: np.float32) -> None:
    """See ``colour.hue``."""
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
        red[i] = low + chroma * _cut(abs(sector - THREE) - ONE)
        green[i] = value - chroma * _cut(abs(sector - TWO) - ONE)
        blue[i] = value - chroma * _cut(abs(sector - FOUR) - ONE)


@compiled
def _blur(plane: Floats, window: Floats) -> None:
    """Three passes of ``window`` along rows and three along columns; each repeats the border."""
    size, reach = len(plane), len(window) // 2
    line = np.empty(size + 2 * reach, np.float32)
    for y in range(size):
        row = plane[y]
        for _ in range(PASSES):
            line[:reach] = row[0]
            line[reach : reach + size] = row
            line[reach + size :] = row[size - 1]
            row *= window[reach]
            for away in range(1, reach + 1):
                left, right = reach - away, reach + away
                _add(row, window[left], line[left : left + size], line[right : right + size])
    source, target = plane, np.empty((size, size), np.float32)
    for _ in range(PASSES):
        for y in range(size):
            for x in range(size):
                target[y, x] = window[reach] * source[y, x]
            for away in range(1, reach + 1):
                weight, above, below = window[reach - away], max(y - away, 0), min(y + away, size - 1)
                for x in range(size):
                    target[y, x] += weight * (source[above, x] + source[below, x])
        source, target = target, source
    plane[:] = source


@compiled
def _add(row: Floats, weight: np.float32, one: Floats, other: Floats) -> None:
    for x in range(len(row)):
        row[x] += weight * (one[x] + other[x])


@compiled
def _normalise(plane: Floats, solarise: bool, scale: np.float32, offset: np.float32) -> None:
    for i in range(len(plane)):
        shown = ONE - plane[i] if solarise and plane[i] >= CUT else plane[i]
        plane[i] = shown * scale + offset


@compiled
def _cut(x: np.float32) -> np.float32:
    return max(ZERO, min(ONE, x))
