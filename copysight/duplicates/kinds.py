"""How a copy differs from the other picture: only in size and compression, by an edit, or as a part of it."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.matching.verification import WHOLE, Verification

SIDE = 64
"""Pictures are compared at 64 x 64 pixels, in 16 x 16 cells of 4 x 4."""
MAX_MEAN, MAX_CELL = 4.0, 20.0
"""Mean difference of all values, and largest mean difference of a cell, in levels of 0..255, of resized pictures."""
MAX_PROPORTION = 1.03
"""Largest ratio of the proportions of resized pictures, which rounding explains."""
MAX_GREY = 3 * 0.587 * MAX_MEAN + 1
"""Mean difference in brightness above which that of all values is above its limit: green counts 0.587 of brightness,
and a third of all values. One level is for rounding."""
Which = Literal["one", "other"]


def is_resized(one: Image.Image, other: Image.Image) -> bool:
    """Whether two RGB pictures show the same but for their size and compression."""
    proportions = sorted(picture.width / picture.height for picture in (one, other))
    if proportions[1] > MAX_PROPORTION * proportions[0]:
        return False
    first, second = (np.asarray(_small(picture), np.float32) for picture in (one, other))
    difference = np.abs(first - second).mean(axis=2)
    cells = difference.reshape(SIDE // 4, 4, SIDE // 4, 4).mean(axis=(1, 3))
    return bool(difference.mean() <= MAX_MEAN and cells.max() <= MAX_CELL)


def may_be_resized(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    """Whether two grey pictures may be those of resized ones: a quick test that spares reading the colours."""
    if not (one.size and other.size):
        return True
    first, second = (np.asarray(_small(Image.fromarray(pixels)), np.float32) for pixels in (one, other))
    return bool(np.abs(first - second).mean() <= MAX_GREY)


def part_of(found: Verification) -> Which | None:
    """Which of both shows only a part of the other: ``one`` is the query, ``other`` the reference; None if neither."""
    query, reference = found.query.share >= WHOLE, found.reference.share >= WHOLE
    if query == reference:
        return None
    return "one" if query else "other"


def _small(picture: Image.Image) -> Image.Image:
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX)
