"""Go through the frames of an animation, within limits of their number and pixels."""

from collections.abc import Iterator
from math import ceil

import numpy as np
from PIL import Image, ImageFile

from copysight.pictures import flatten
from copysight.pictures.formats.readers import DECODER_ERRORS

ANIMATIONS = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Formats whose frames are moments of one animation. The pages of a TIFF file are not."""
MAX_FRAMES = 64
"""Frames that are looked at for one that shows something."""
NOTHING = 32
"""A frame whose channels each vary by at most this much (of 255) shows nothing."""
SIDE = 256


def has_several(file: ImageFile.ImageFile) -> bool:
    """Whether a file has more than one frame or page."""
    return bool(getattr(file, "is_animated", False))


def following(file: ImageFile.ImageFile, max_frames: int, max_pixels: int) -> Iterator[Image.Image]:
    """The loaded frames after the first: the file itself each time.

    Raises one of ``DECODER_ERRORS``: for a damaged frame, and a ``ValueError`` for more than ``max_frames`` frames or
    ``max_pixels`` pixels, the first frame counted.
    """
    pixels = file.width * file.height
    number = 1
    while _moved_to(file, number):
        pixels += file.width * file.height
        number += 1
        if number > max_frames or pixels > max_pixels:
            raise ValueError(f"got an animation of more than {max_frames} frames or {max_pixels:,} pixels")
        file.load()
        yield file


def _moved_to(file: ImageFile.ImageFile, number: int) -> bool:
    try:
        file.seek(number)
    except EOFError:
        return False
    return True


def first_that_shows(file: ImageFile.ImageFile, first: Image.Image, max_pixels: int) -> Image.Image:
    """The first frame of an animation that shows something, in RGB; ``first``, the first of all, if none does.

    A clip that fades in begins with a black frame, which would make all such clips equal. A damaged frame and the
    limits end the search.
    """
    if not shows_nothing(first):
        return first
    try:
        for frame in following(file, MAX_FRAMES, max_pixels):
            if frame.size != first.size:
                return first
            pixels = flatten.rgb(frame, still=False)
            if not shows_nothing(pixels):
                return pixels
    except DECODER_ERRORS:
        return first
    return first


def shows_nothing(pixels: Image.Image) -> bool:
    """Whether an RGB picture is of one colour, but for noise."""
    small = pixels.reduce(ceil(max(pixels.size) / SIDE))
    return int(np.ptp(np.asarray(small), axis=(0, 1)).max()) <= NOTHING
