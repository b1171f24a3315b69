"""Edits that put a picture into a larger one: memes, photo frames, screenshots, another photograph.

Every edit takes an RGB picture, a generator and a strength in 0..1, and returns a new RGB picture.
"""

import math

from numpy.random import Generator
from PIL import Image, ImageDraw

from copysight.pictures.edits.edited import Edited, shifted
from copysight.pictures.edits.geometry import fill_colour
from copysight.pictures.edits.overlay import font, words

Picture = Image.Image


def meme(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Add a band with words above, below or both; each band is up to half of the picture's height."""
    bands = [round(picture.height * rng.uniform(0.12, 0.15 + 0.35 * strength)) for _ in range(2)]
    if rng.random() < 0.6:
        bands[int(rng.integers(0, 2))] = 0
    paper, ink = ((255, 255, 255), (0, 0, 0)) if rng.random() < 0.6 else ((0, 0, 0), (255, 255, 255))
    out = Image.new("RGB", (picture.width, picture.height + sum(bands)), paper)
    out.paste(picture, (0, bands[0]))
    draw = ImageDraw.Draw(out)
    for top, band in ((0, bands[0]), (bands[0] + picture.height, bands[1])):
        if band:
            draw.text(
                (picture.width * 0.05, top + band * 0.2), words(rng), fill=ink, font=font(max(8, round(band * 0.5)))
            )
    return shifted(out, picture.size, 0, bands[0])


def frame(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Add a frame, up to a fifth of the side wide."""
    width = max(1, round(min(picture.size) * rng.uniform(0.03, 0.05 + 0.15 * strength)))
    out = Image.new("RGB", (picture.width + 2 * width, picture.height + 2 * width), fill_colour(rng))
    if rng.random() < 0.5:
        ImageDraw.Draw(out).rectangle(
            (2, 2, out.width - 3, out.height - 3), outline=fill_colour(rng), width=max(1, width // 3)
        )
    out.paste(picture, (width, width))
    return shifted(out, picture.size, width, width)


def screenshot(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Draw an application around it: bars, lines of text, buttons; the picture fills 0.85 down to 0.08 of the area."""
    share = 0.85 - 0.77 * strength * rng.uniform(0.2, 1)
    tall = rng.random() < 0.6
    area = picture.width * picture.height / share
    ratio = rng.uniform(1.4, 2.1) if tall else rng.uniform(0.5, 0.8)
    width = max(picture.width + 2, round(math.sqrt(area / ratio)))
    height = max(picture.height + 2, round(area / width))
    dark = rng.random() < 0.4
    screen = Image.new("RGB", (width, height), (24, 26, 30) if dark else (246, 247, 249))
    x = int(rng.integers(0, width - picture.width + 1)) if rng.random() < 0.5 else (width - picture.width) // 2
    y = int(rng.integers(0, height - picture.height + 1))
    _draw_interface(ImageDraw.Draw(screen), rng, (width, height), dark)
    screen.paste(picture, (x, y))
    return shifted(screen, picture.size, x, y)


def pasted(picture: Picture, rng: Generator, strength: float, other: Picture) -> Edited:
    """Paste it onto another picture, where it fills 0.8 down to 0.2 of the area."""
    return paste(picture, rng, 0.8 - 0.6 * strength * rng.uniform(0.2, 1), other)


def paste(picture: Picture, rng: Generator, area: float, other: Picture) -> Edited:
    """Paste it anywhere onto another picture, where it fills the share ``area``."""
    share = math.sqrt(area)
    size = (round(picture.width / share), round(picture.height / share))
    out = other.resize(size, Image.Resampling.BILINEAR)
    x, y = (int(rng.integers(0, whole - part + 1)) for whole, part in zip(size, picture.size, strict=True))
    out.paste(picture, (x, y))
    return shifted(out, picture.size, x, y)


def _draw_interface(draw: ImageDraw.ImageDraw, rng: Generator, size: tuple[int, int], dark: bool) -> None:
    """Draw a title bar, avatars, grey lines for text, and a row of buttons."""
    width, height = size
    unit = max(2, height // 24)
    ink, bar = ((210, 212, 216), (44, 47, 54)) if dark else ((60, 64, 70), (225, 228, 233))
    draw.rectangle((0, 0, width, 2 * unit), fill=bar if rng.random() < 0.6 else fill_colour(rng))
    draw.text((unit, unit * 0.3), words(rng), fill=ink, font=font(max(6, round(unit * 1.2))))
    y = float(3 * unit)
    while y < height - 3 * unit:
        kind = rng.random()
        if kind < 0.15:
            draw.ellipse((unit, y, 3 * unit, y + 2 * unit), fill=fill_colour(rng))
        length = rng.uniform(0.2, 0.85) * (width - 5 * unit)
        draw.rectangle((4 * unit, y, 4 * unit + length, y + unit * 0.45), fill=bar if kind < 0.5 else ink)
        y += unit * rng.uniform(0.9, 2.2)
    draw.rectangle((0, height - 2 * unit, width, height), fill=bar)
    for number in range(4):
        x = width * (number + 0.5) / 4
        draw.ellipse((x - unit * 0.5, height - 1.5 * unit, x + unit * 0.5, height - 0.5 * unit), fill=ink)
