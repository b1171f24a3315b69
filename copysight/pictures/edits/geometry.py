"""Edits that move pixels: crop, resize, aspect, rotate, flip, turn, pad, perspective.

Every edit takes an RGB picture, a generator and a strength in 0..1, and returns a new RGB picture.
"""

import math

import numpy as np
from numpy.random import Generator
from PIL import Image

Picture = Image.Image
LEAST_SIDE = 16


def crop(picture: Picture, rng: Generator, strength: float) -> Picture:
    """Keep a rectangle of 1 (strength 0) down to .2 (strength 1) of the area, its aspect changed by up to e^±.35."""
    area = 1 - 0.8 * strength * rng.uniform(0.3, 1)
    return picture.crop(window(picture.size, rng, area, 0.35 * strength))


def window(size: tuple[int, int], rng: Generator, area: float, stretch: float) -> tuple[int, int, int, int]:
    """A random box (left, top, right, bottom) of about ``area`` of the picture, aspect times up to e^±``stretch``."""
    aspect = math.exp(rng.uniform(-stretch, stretch))
    width = min(size[0], max(LEAST_SIDE, round(size[0] * math.sqrt(area * aspect))))
    height = min(size[1], max(LEAST_SIDE, round(size[1] * math.sqrt(area / aspect))))
    left = int(rng.integers(0, size[0] - width + 1))
    top = int(rng.integers(0, size[1] - height + 1))
    return (left, top, left + width, top + height)


def resize(picture: Picture, rng: Generator, strength: float) -> Picture:
    """Fewer pixels: down to a quarter of each side at full strength."""
    factor = 1 - 0.75 * strength * rng.uniform(0.3, 1)
    return _scaled(picture, factor, factor)


def aspect(picture: Picture, rng: Generator, strength: float) -> Picture:
    """Squeeze one side, to no less than half of it."""
    factor = 1 - 0.5 * strength * rng.uniform(0.3, 1)
    return _scaled(picture, factor, 1) if rng.random() < 0.5 else _scaled(picture, 1, factor)


def rotate(picture: Picture, rng: Generator, strength: float) -> Picture:
    """Turn by up to 45 degrees; corners are filled with one colour, or the turned picture is cut to its middle."""
    angle = rng.choice([-1, 1]) * rng.uniform(3, 3 + 42 * strength)
    return turned(picture, rng, float(angle))


def turned(picture: Picture, rng: Generator, angle: float) -> Picture:
    """Turn by ``angle`` degrees, either whole on a plain ground or cut to a rectangle without ground."""
    if rng.random() < 0.5:
        return picture.rotate(angle, Image.Resampling.BILINEAR, expand=rng.random() < 0.5, fillcolor=ground(rng))
    out = picture.rotate(angle, Image.Resampling.BILINEAR)
    radians = math.radians(abs(angle) % 90)
    shrink = 1 / (math.cos(radians) + math.sin(radians) * max(picture.size) / min(picture.size))
    width, height = (max(LEAST_SIDE, round(side * shrink)) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return out.crop((left, top, left + width, top + height))


def flip(picture: Picture, rng: Generator, strength: float) -> Picture:
    """Mirror left and right."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def turn(picture: Picture, rng: Generator, strength: float) -> Picture:
    """A quarter or half turn, or upside down in a mirror."""
    kinds = (
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
        Image.Transpose.FLIP_TOP_BOTTOM,
    )
    return picture.transpose(kinds[int(rng.integers(0, len(kinds)))])


def pad(picture: Picture, rng: Generator, strength: float) -> Picture:
    """A plain border on two or on all sides, up to half of the picture's side in all."""
    share = strength * rng.uniform(0.1, 0.5)
    across, along = round(picture.width * share / 2), round(picture.height * share / 2)
    if rng.random() < 0.6:  # letter box or pillar box
        across, along = (across, 0) if rng.random() < 0.5 else (0, along)
    out = Image.new("RGB", (picture.width + 2 * across, picture.height + 2 * along), ground(rng))
    out.paste(picture, (across, along))
    return out


def perspective(picture: Picture, rng: Generator, strength: float) -> Picture:
    """Seen from the side: each corner moves inwards by up to 30 % of the side."""
    width, height = picture.size
    inward = rng.uniform(0, 0.3 * strength + 1e-6, (4, 2)) * (width, height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], float)
    data = _homography(corners + signs * inward, corners)
    return picture.transform(
        picture.size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR, fillcolor=ground(rng)
    )


def ground(rng: Generator) -> tuple[int, int, int]:
    """A plain colour: black and white more often than others."""
    chance = rng.random()
    if chance < 0.7:
        value = 0 if chance < 0.35 else 255
        return (value, value, value)
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return (red, green, blue)


def _scaled(picture: Picture, across: float, along: float) -> Picture:
    size = (max(LEAST_SIDE, round(picture.width * across)), max(LEAST_SIDE, round(picture.height * along)))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _homography(seen: np.ndarray, source: np.ndarray) -> tuple[float, ...]:
    """The eight numbers by which Pillow maps a point of the new picture to the old one."""
    rows = []
    for (x, y), (u, v) in zip(seen, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return tuple(np.linalg.solve(np.array(rows), source.reshape(8)).tolist())
