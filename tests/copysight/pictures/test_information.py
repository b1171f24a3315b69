"""How much a picture holds: nothing in blank, noisy and one-edged pictures, much in everything else."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copysight.pictures.information import LEAST, information
from tests.copysight.matching.conftest import textured_picture


def blank():
    return Image.new("RGB", (400, 300), "white")


def edge():
    picture = blank()
    ImageDraw.Draw(picture).rectangle((0, 0, 150, 300), fill="black")
    return picture


def noise(side, channels=3):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, channels), dtype=np.uint8)
    return Image.fromarray(pixels.repeat(3 // channels, axis=-1))


def lens_cap():
    pixels = np.random.default_rng(0).normal(6, 2, (300, 400, 1)).clip(0, 255).repeat(3, axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def gradient():
    return Image.linear_gradient("L").convert("RGB")


@pytest.mark.parametrize(
    "picture", [blank(), edge(), noise(32), noise(700), noise(200, 1), lens_cap(), gradient()],
    ids=["blank", "one edge", "small noise", "large noise", "grey noise", "lens cap", "gradient"],
)  # fmt: skip
def test_a_picture_of_nothing_holds_nothing(picture):
    assert information(picture) < LEAST


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (8, 3), (5000, 2)])
def test_any_size_is_measured(size):
    assert information(Image.new("RGB", size, "red")) == 0


def page(words):
    picture = Image.new("RGB", (600, 800), "white")
    draw = ImageDraw.Draw(picture)
    for line, word in enumerate(words):
        draw.text((60, 60 + 18 * line), " ".join([word] * (3 + line % 7)), fill="black")
    return picture


@pytest.mark.parametrize(
    "picture", [textured_picture(1, 300), page(["invoice", "total", "address", "thanks"] * 9)], ids=["shapes", "text"]
)
def test_a_picture_of_something_holds_something(picture):
    assert information(picture) > 4 * LEAST
