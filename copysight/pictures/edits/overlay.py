"""Edits that draw something over a picture: text, shapes and faces, stripes, another picture.

Every edit takes an RGB picture, a generator and a strength in 0..1, and returns a new RGB picture (as ``Edited``).
"""

import math
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from copysight.pictures.edits.edited import Edited
from copysight.pictures.edits.geometry import fill_colour

Picture = Image.Image
WORDS = (
    "breaking", "wait for it", "when you", "NEW", "today", "follow", "LOL", "me and", "why", "so true", "2026", "#1",
    "share", "never", "the best", "look", "SALE", "no way", "monday", "mood", "@home", "this is", "true story", "OK",
)  # fmt: skip


def text(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Write one to three lines of words, half transparent or solid, with letters of 6 to 20 % of the height."""
    out = picture.copy()
    draw = ImageDraw.Draw(out, "RGBA")
    for _ in range(1 + int(rng.integers(0, 1 + round(2 * strength)))):
        letters = font(max(8, round(picture.height * rng.uniform(0.06, 0.08 + 0.12 * strength))))
        where = (rng.uniform(-0.05, 0.6) * picture.width, rng.uniform(0, 0.9) * picture.height)
        alpha = int(rng.integers(120, 256))
        draw.text(
            where, words(rng), fill=(*fill_colour(rng), alpha), font=letters, stroke_width=int(rng.integers(0, 2))
        )
    return Edited(out)


def words(rng: Generator) -> str:
    """One to four random words."""
    return " ".join(WORDS[int(number)] for number in rng.integers(0, len(WORDS), 1 + int(rng.integers(0, 4))))


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's default font at ``size`` pixels."""
    return ImageFont.load_default(size)


def shapes(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Draw one to five faces, hearts, stars, circles or boxes, each up to 45 % of the shortest side."""
    out = picture.copy()
    draw = ImageDraw.Draw(out)
    for _ in range(1 + int(rng.integers(0, 1 + round(4 * strength)))):
        side = min(picture.size) * rng.uniform(0.1, 0.15 + 0.3 * strength)
        x, y = rng.uniform(0, picture.width - side), rng.uniform(0, picture.height - side)
        kinds = (_face, _heart, _star, _disc, _box)
        kinds[int(rng.integers(0, len(kinds)))](draw, rng, x, y, side)
    return Edited(out)


def stripes(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Draw bars of one colour across the picture; they cover up to a third of it."""
    out = picture.copy()
    draw = ImageDraw.Draw(out)
    count = int(rng.integers(2, 9))
    upright = rng.random() < 0.5
    side = picture.width if upright else picture.height
    thick = max(1, round(side / count * 0.35 * strength * rng.uniform(0.4, 1)))
    fill = fill_colour(rng)
    for start in np.linspace(0, side - thick, count).astype(int).tolist():
        end = start + thick - 1
        box = (start, 0, end, picture.height) if upright else (0, start, picture.width, end)
        draw.rectangle(box, fill=fill)
    return Edited(out)


def blend(picture: Picture, rng: Generator, strength: float, other: Picture) -> Edited:
    """Blend with another picture, whose weight is up to 0.5."""
    return Edited(Image.blend(picture, other.resize(picture.size), 0.5 * strength * rng.uniform(0.3, 1)))


def inset(picture: Picture, rng: Generator, strength: float, other: Picture) -> Edited:
    """Paste another picture on it; it covers up to 40 % of the area."""
    side = math.sqrt(rng.uniform(0.04, 0.06 + 0.34 * strength))
    size = tuple(max(4, round(length * side)) for length in picture.size)
    out = picture.copy()
    spot = [int(rng.integers(0, whole - part + 1)) for whole, part in zip(picture.size, size, strict=True)]
    out.paste(other.resize(size), (spot[0], spot[1]))  # type: ignore[arg-type]
    return Edited(out)


def _face(draw: ImageDraw.ImageDraw, rng: Generator, x: float, y: float, side: float) -> None:
    draw.ellipse((x, y, x + side, y + side), fill=(255, int(rng.integers(170, 225)), 40), outline=(140, 90, 0))
    for eye in (0.3, 0.7):
        draw.ellipse((x + (eye - 0.07) * side, y + 0.28 * side, x + (eye + 0.07) * side, y + 0.46 * side), fill="black")
    start, end = ((20, 160), (200, 340))[int(rng.integers(0, 2))]
    draw.arc(
        (x + 0.25 * side, y + 0.4 * side, x + 0.75 * side, y + 0.82 * side), start, end, "black", max(1, int(side / 16))
    )


def _heart(draw: ImageDraw.ImageDraw, rng: Generator, x: float, y: float, side: float) -> None:
    fill = (int(rng.integers(190, 256)), 20, int(rng.integers(20, 110)))
    for left in (0.0, 0.45):
        draw.ellipse((x + left * side, y, x + (left + 0.55) * side, y + 0.55 * side), fill=fill)
    draw.polygon(
        [(x + 0.06 * side, y + 0.4 * side), (x + 0.94 * side, y + 0.4 * side), (x + side / 2, y + side)], fill=fill
    )


def _star(draw: ImageDraw.ImageDraw, rng: Generator, x: float, y: float, side: float) -> None:
    centre = (x + side / 2, y + side / 2)
    points = []
    for corner in range(10):
        radius = side / 2 if corner % 2 == 0 else side / 5
        angle = math.pi * corner / 5 - math.pi / 2
        points.append((centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)))
    draw.polygon(points, fill=fill_colour(rng))


def _disc(draw: ImageDraw.ImageDraw, rng: Generator, x: float, y: float, side: float) -> None:
    draw.ellipse((x, y, x + side, y + side), fill=fill_colour(rng))


def _box(draw: ImageDraw.ImageDraw, rng: Generator, x: float, y: float, side: float) -> None:
    draw.rectangle((x, y, x + side, y + side * rng.uniform(0.3, 1)), fill=fill_colour(rng))
