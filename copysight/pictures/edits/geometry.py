"""Edits that change the geometry: crop, resize, aspect, rotate, flip, turn, pad, perspective.

Every edit takes an RGB picture, a generator and a strength in 0..1, and returns a new RGB picture with its geometry.
"""

import math

import numpy as np
from numpy.random import Generator
from PIL import Image

from copysight.pictures.edits.edited import Edited, moved, shifted
from copysight.pictures.polygon import Matrix

Picture = Image.Image
MIN_SIDE = 16


def crop(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Cut out a rectangle of 1 (strength 0) down to 0.2 (strength 1) of the area, aspect times up to e^±0.35."""
    return crop_share(picture, rng, 1 - 0.8 * strength * rng.uniform(0.3, 1), 0.35 * strength)


def crop_share(picture: Picture, rng: Generator, area: float, stretch: float) -> Edited:
    """Cut out a rectangle anywhere: share ``area`` of the picture, aspect times up to e^±``stretch``."""
    return cut(picture, random_box(picture.size, rng, area, stretch))


def cut(picture: Picture, box: tuple[int, int, int, int]) -> Edited:
    """Cut out a box (left, top, right, bottom) in pixels."""
    return shifted(picture.crop(box), picture.size, -box[0], -box[1])


def random_box(size: tuple[int, int], rng: Generator, area: float, stretch: float) -> tuple[int, int, int, int]:
    """A random box (left, top, right, bottom): share ``area`` of the picture, aspect times up to e^±``stretch``."""
    aspect = math.exp(rng.uniform(-stretch, stretch))
    width = min(size[0], max(MIN_SIDE, round(size[0] * math.sqrt(area * aspect))))
    height = min(size[1], max(MIN_SIDE, round(size[1] * math.sqrt(area / aspect))))
    left = int(rng.integers(0, size[0] - width + 1))
    top = int(rng.integers(0, size[1] - height + 1))
    return (left, top, left + width, top + height)


def resize(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Reduce the number of pixels: down to a quarter of each side at full strength."""
    factor = 1 - 0.75 * strength * rng.uniform(0.3, 1)
    return _scaled(picture, factor, factor)


def aspect(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Squeeze one side, to no less than half of it."""
    factor = 1 - 0.5 * strength * rng.uniform(0.3, 1)
    return _scaled(picture, factor, 1) if rng.random() < 0.5 else _scaled(picture, 1, factor)


def rotate(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Rotate by up to 45 degrees; fill the corners with one colour, or cut them off."""
    angle = rng.choice([-1, 1]) * rng.uniform(3, 3 + 42 * strength)
    return rotate_by(picture, rng, float(angle))


def rotate_by(picture: Picture, rng: Generator, angle: float) -> Edited:
    """Rotate by ``angle`` degrees; fill the corners with one colour, or cut out a rectangle without corners."""
    if rng.random() < 0.5:
        expand = rng.random() < 0.5
        out = picture.rotate(angle, Image.Resampling.BILINEAR, expand=expand, fillcolor=fill_colour(rng))
        return moved(out, picture.size, _rotation(picture.size, out.size, angle))
    out = picture.rotate(angle, Image.Resampling.BILINEAR)
    radians = math.radians(abs(angle) % 90)
    shrink = 1 / (math.cos(radians) + math.sin(radians) * max(picture.size) / min(picture.size))
    width, height = (max(MIN_SIDE, round(side * shrink)) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    rotated = moved(out, picture.size, _rotation(picture.size, out.size, angle))
    return rotated.then(cut(out, (left, top, left + width, top + height)))


def flip(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Mirror left and right."""
    return _transposed(picture, Image.Transpose.FLIP_LEFT_RIGHT)


def turn(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Rotate by 90, 180 or 270 degrees, or mirror top and bottom."""
    kinds = (
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
        Image.Transpose.FLIP_TOP_BOTTOM,
    )
    return _transposed(picture, kinds[int(rng.integers(0, len(kinds)))])


def pad(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Add a plain border on two or all sides; both borders together are up to half of the picture's side."""
    share = strength * rng.uniform(0.1, 0.5)
    across, along = round(picture.width * share / 2), round(picture.height * share / 2)
    if rng.random() < 0.6:  # letter box or pillar box
        across, along = (across, 0) if rng.random() < 0.5 else (0, along)
    out = Image.new("RGB", (picture.width + 2 * across, picture.height + 2 * along), fill_colour(rng))
    out.paste(picture, (across, along))
    return shifted(out, picture.size, across, along)


def perspective(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Change the perspective: each corner moves inwards by up to 30 % of the side."""
    width, height = picture.size
    inward = rng.uniform(0, 0.3 * strength + 1e-6, (4, 2)) * (width, height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], float)
    data = homography(corners + signs * inward, corners)
    out = picture.transform(
        picture.size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR, fillcolor=fill_colour(rng)
    )
    return moved(out, picture.size, np.linalg.inv(np.reshape([*data, 1.0], (3, 3))))


def fill_colour(rng: Generator) -> tuple[int, int, int]:
    """A random colour: black or white with probability 0.35 each, else any."""
    chance = rng.random()
    if chance < 0.7:
        value = 0 if chance < 0.35 else 255
        return (value, value, value)
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return (red, green, blue)


def _scaled(picture: Picture, across: float, along: float) -> Edited:
    size = (max(MIN_SIDE, round(picture.width * across)), max(MIN_SIDE, round(picture.height * along)))
    return Edited(picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def _rotation(before: tuple[int, int], after: tuple[int, int], angle: float) -> Matrix:
    """The matrix in pixels of a rotation by ``angle`` degrees against the clock, which keeps the centre the centre."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    linear = np.array([[cos, sin], [-sin, cos]])
    offset = np.array(after) / 2 - linear @ (np.array(before) / 2)
    return np.vstack([np.column_stack([linear, offset]), [0.0, 0.0, 1.0]])


CORNERS = {
    Image.Transpose.FLIP_LEFT_RIGHT: ((1, 0), (0, 0), (1, 1)),
    Image.Transpose.FLIP_TOP_BOTTOM: ((0, 1), (1, 1), (0, 0)),
    Image.Transpose.ROTATE_90: ((0, 1), (0, 0), (1, 1)),
    Image.Transpose.ROTATE_180: ((1, 1), (0, 1), (1, 0)),
    Image.Transpose.ROTATE_270: ((1, 0), (1, 1), (0, 0)),
}
"""Where the top left, top right and bottom left corners of a picture are afterwards."""


def _transposed(picture: Picture, how: Image.Transpose) -> Edited:
    origin, right, down = np.array(CORNERS[how], float)
    step = np.vstack([np.column_stack([right - origin, down - origin, origin]), [0.0, 0.0, 1.0]])
    return Edited(picture.transpose(how), (step,))


def homography(target: np.ndarray, source: np.ndarray) -> tuple[float, ...]:
    """The eight coefficients by which Pillow maps a point of the new picture to the old one."""
    rows = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return tuple(np.linalg.solve(np.array(rows), source.reshape(8)).tolist())
