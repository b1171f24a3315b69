"""Edits that screens and documents suffer: scrolling, re-rendering, dark mode, redaction, highlighting, rescanning.

Every edit takes an RGB picture, a generator and a strength in 0..1, and returns a new RGB picture with its geometry.
"""

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from copysight.pictures.edits import geometry
from copysight.pictures.edits.edited import Edited, shifted

Picture = Image.Image
FLAT_STEP = 2
"""Difference of neighbouring pixels, in levels, up to which they are alike; JPEG changes plain ground by so much."""
DRAWN_SHARE, DRAWN_SIDE = 0.6, 512
"""Share of neighbouring pixels that are alike from which on a picture is drawn, not photographed, at this size."""


def is_drawn(picture: Picture) -> bool:
    """Whether an RGB picture is a screen, a page, a chart or a drawing: most of it is plain ground."""
    small = picture.convert("L")
    if max(small.size) > DRAWN_SIDE:
        small.thumbnail((DRAWN_SIDE, DRAWN_SIDE), Image.Resampling.NEAREST)
    grey = np.asarray(small).astype(np.int16)
    return grey.shape[1] > 1 and float((np.abs(np.diff(grey, axis=1)) <= FLAT_STEP).mean()) >= DRAWN_SHARE


def scroll(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Move the content up or down by up to 60 % of the height; new plain ground follows."""
    step = round(picture.height * rng.uniform(0.05, 0.1 + 0.5 * strength)) * (1 if rng.random() < 0.5 else -1)
    out = Image.new("RGB", picture.size, _ground(picture))
    out.paste(picture, (0, step))
    return shifted(out, picture.size, 0, step)


def rerender(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Draw it again at another size, with other smoothing of letters and another gamma."""
    factor = float(np.exp(rng.uniform(-0.7, 0.4) * strength))
    size = (max(16, round(picture.width * factor)), max(16, round(picture.height * factor)))
    filters = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)
    out = picture.resize(size, filters[int(rng.integers(0, len(filters)))])
    gamma = float(np.exp(rng.uniform(-0.4, 0.4) * strength))
    return Edited(out.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3))


def dark_mode(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Exchange light and dark, and keep the hues; the ground is not quite black."""
    inverted = np.asarray(ImageChops.invert(picture), np.float32)
    # A rotation of the hue by 180 degrees brings back what the inversion took.
    hues = 2 * inverted.mean(axis=2, keepdims=True) - inverted
    least = float(rng.uniform(0, 20 + 20 * strength))
    mapped: npt.NDArray[np.floating] = least + hues.clip(0, 255) * (255 - least) / 255
    return Edited(Image.fromarray(mapped.astype(np.uint8)))


def redact(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Cover one to eight pieces of lines with black or white bars."""
    out = picture.copy()
    draw = ImageDraw.Draw(out)
    for _ in range(1 + int(rng.integers(0, 1 + round(7 * strength)))):
        draw.rectangle(_line(picture, rng), fill="black" if rng.random() < 0.8 else "white")
    return Edited(out)


def highlight(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Mark one to five pieces of lines with a bright pen."""
    marks = Image.new("RGB", picture.size, "white")
    draw = ImageDraw.Draw(marks)
    pens = ((255, 255, 60), (120, 255, 120), (255, 150, 210), (255, 190, 80))
    for _ in range(1 + int(rng.integers(0, 1 + round(4 * strength)))):
        draw.rectangle(_line(picture, rng), fill=pens[int(rng.integers(0, len(pens)))])
    return Edited(ImageChops.multiply(picture, marks))


def rescan(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Print and scan: a skew of up to 4 degrees, uneven light, paper, blur, grain, perhaps without colour."""
    edited = geometry.rotate_by(picture, rng, float(rng.uniform(-4, 4)) * strength)
    out = edited.picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 0.3 + 0.9 * strength))))
    if rng.random() < 0.5:
        out = out.convert("L").convert("RGB")
    width, height = out.size
    light = 1 - 0.25 * strength * rng.random() * np.linspace(0, 1, width)[None, :] * np.linspace(0, 1, height)[:, None]
    paper = np.array([1.0, 1.0 - 0.05 * rng.random(), 1.0 - 0.12 * rng.random()])
    pixels = np.asarray(out, np.float32) * light[..., None] * paper
    pixels += rng.standard_normal((height, width, 1)) * 6 * strength
    return edited.then(Edited(Image.fromarray(pixels.clip(0, 255).astype(np.uint8))))


def _line(picture: Picture, rng: Generator) -> tuple[float, float, float, float]:
    """A box like a piece of a line of text: 2 to 5 % of the height, 10 to 60 % of the width."""
    left, top = rng.uniform(0, 0.8) * picture.width, rng.uniform(0, 0.95) * picture.height
    return left, top, left + rng.uniform(0.1, 0.6) * picture.width, top + rng.uniform(0.02, 0.05) * picture.height


def _ground(picture: Picture) -> tuple[int, int, int]:
    """The most frequent colour of the outer rows and columns."""
    pixels = np.asarray(picture)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colours, counts = np.unique(edge, axis=0, return_counts=True)
    red, green, blue = colours[int(counts.argmax())].tolist()
    return red, green, blue
