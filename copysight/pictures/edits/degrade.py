"""Edits that change pixels in place: compression, colour, blur, noise, pixelation.

Every edit takes an RGB picture, a generator and a strength in 0..1, and returns a new RGB picture (as ``Edited``).
"""

from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter, ImageOps

from copysight.pictures.edits.edited import Edited

Picture = Image.Image
LUMA = np.tile([0.299, 0.587, 0.114], (3, 1))


def jpeg(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Save as JPEG with quality 90 (strength 0) down to 8 (strength 1)."""
    return _saved(picture, "JPEG", round(90 - 82 * strength * rng.uniform(0.5, 1)))


def webp(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Save as WebP with quality 90 (strength 0) down to 5 (strength 1)."""
    return _saved(picture, "WEBP", round(90 - 85 * strength * rng.uniform(0.5, 1)), method=0)


def colour(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Change brightness, contrast, saturation and hue at random, in one pass over the pixels."""
    return Edited(picture.convert("RGB", tuple(colour_matrix(rng, strength).reshape(12).tolist())))


def colour_matrix(rng: Generator, strength: float) -> np.ndarray:
    """The random change of colours as a matrix (3, 4): RGB in levels of 0..255, and 1, to RGB."""
    bright, contrast, saturation = np.exp(rng.uniform(-0.75, 0.75, 3) * strength)
    mixed = _hue(float(rng.uniform(-0.75, 0.75)) * strength if rng.random() < 0.5 else 0.0)
    mixed = (saturation * np.eye(3) + (1 - saturation) * LUMA) @ mixed * bright * contrast
    return np.concatenate([mixed, np.full((3, 1), 128 * (1 - contrast))], axis=1)


def grey(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Remove the colour; in 1 of 5 cases tint it like an old photograph."""
    plain = picture.convert("L")
    if rng.random() < 0.8:
        return Edited(plain.convert("RGB"))
    return Edited(ImageOps.colorize(plain, "black", (255, 235, 200), mid=(120, 95, 70)))


def blur(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Blur with a Gaussian, radius up to 4 % of the shortest side."""
    radius = min(picture.size) * 0.04 * strength * rng.uniform(0.3, 1)
    return Edited(picture.filter(ImageFilter.GaussianBlur(radius)))


def noise(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Add Gaussian noise, standard deviation up to 50 of 255 levels."""
    pixels = np.asarray(picture).astype(np.float32)
    pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(50 * strength * rng.uniform(0.3, 1))
    return Edited(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def pixelate(picture: Picture, rng: Generator, strength: float) -> Edited:
    """Replace pixels by squares of one colour: 96 (strength 0) down to 20 along the shortest side."""
    count = 96 - 76 * strength * rng.uniform(0.5, 1)
    factor = min(1.0, count / min(picture.size))
    size = (max(8, round(picture.width * factor)), max(8, round(picture.height * factor)))
    small = picture.resize(size, Image.Resampling.BOX)
    return Edited(small.resize(picture.size, Image.Resampling.NEAREST))


def _saved(picture: Picture, kind: str, quality: int, **options: int) -> Edited:
    file = BytesIO()
    picture.save(file, kind, quality=quality, **options)
    return Edited(Image.open(file).convert("RGB"))


def _hue(angle: float) -> np.ndarray:
    """Matrix (3, 3) that rotates RGB space around its grey diagonal by ``angle`` radians (Rodrigues' formula)."""
    axis = 1 / np.sqrt(3)
    cross = axis * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
