"""Preprocessing against the textbook form."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from copysight.pictures.preprocess import Preprocess, to_batch, to_tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CENTRE = Preprocess(32, "shortest", 36, "bicubic", MEAN, STD)
SQUASH = Preprocess(32, "squash", 32, "bilinear", MEAN, STD)


def slow(square: Image.Image) -> np.ndarray:
    """Textbook normalisation."""
    values = np.asarray(square, np.float64) / 255
    return ((values - MEAN) / STD).transpose(2, 0, 1)


def test_squash_is_a_plain_resize(drawn):
    picture = drawn(1)
    expected = slow(picture.resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=2.0))
    got = to_tensor(picture, SQUASH)
    assert (got.dtype, got.shape) == (np.float32, (3, 32, 32))
    assert np.abs(got - expected).max() < 1e-6


@pytest.mark.parametrize("size", [(160, 120), (120, 160), (97, 97), (500, 36)])
def test_shortest_is_resize_then_centre_crop(size, drawn):
    """Equal within rounding: the textbook form rounds the intermediate size and the corner of the crop."""
    picture = drawn(2, size)
    scale = 36 / min(size)
    middle = picture.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC)
    left, top = (middle.width - 32) // 2, (middle.height - 32) // 2
    expected = slow(middle.crop((left, top, left + 32, top + 32)))
    got = to_tensor(picture, CENTRE)
    cosine = (got * expected).sum() / np.linalg.norm(got) / np.linalg.norm(expected)
    assert cosine > 0.98


@pytest.mark.parametrize("size", [(160, 120), (120, 160), (97, 97), (500, 36)])
@pytest.mark.parametrize(("height", "width"), [(42, 28), (28, 56)])
def test_a_rectangle_is_the_centre_of_the_picture_that_just_covers_its_size(height, width, size, drawn):
    """As for squares: scale the picture until it just covers ``resize_to``, then cut out the centre."""
    picture = drawn(2, size)
    rows, columns = round(height * 8 / 7), round(width * 8 / 7)
    scale = max(columns / size[0], rows / size[1])
    middle = picture.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC)
    left, top = (middle.width - width) // 2, (middle.height - height) // 2
    expected = slow(middle.crop((left, top, left + width, top + height)))
    preprocess = Preprocess((height, width), "shortest", (rows, columns), "bicubic", MEAN, STD)
    got = to_tensor(picture, preprocess)
    assert got.shape == (3, height, width)
    cosine = (got * expected).sum() / np.linalg.norm(got) / np.linalg.norm(expected)
    assert cosine > 0.98
    assert Preprocess.from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess
    assert preprocess.at_least == max(rows, columns)


def test_a_rectangle_may_hold_the_whole_picture_squashed(drawn):
    picture = drawn(1)
    preprocess = Preprocess((24, 40), "squash", (24, 40), "bilinear", MEAN, STD)
    expected = slow(picture.resize((40, 24), Image.Resampling.BILINEAR, reducing_gap=2.0))
    assert np.abs(to_tensor(picture, preprocess) - expected).max() < 1e-6


@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_two_equal_sides_are_a_square(resize, drawn):
    square = Preprocess(32, resize, 36, "bicubic", MEAN, STD)
    same = Preprocess((32, 32), resize, (36, 36), "bicubic", MEAN, STD)
    assert (to_tensor(drawn(3, (90, 70)), square) == to_tensor(drawn(3, (90, 70)), same)).all()


def test_a_batch_equals_its_pictures_one_by_one(drawn):
    pictures = [drawn(seed, (40 + seed, 90)) for seed in range(4)]
    batch = to_batch(pictures, CENTRE)
    for row, picture in zip(batch, pictures, strict=True):
        assert (row == to_tensor(picture, CENTRE)).all()


def test_json_round_trip_and_invalid_data():
    assert Preprocess.from_json(CENTRE.to_json()) == CENTRE
    assert (CENTRE.at_least, SQUASH.at_least) == (36, 32)
    for wrong in ({"colour_order": "BGR"}, {"resize": "pad"}, {"interpolation": "nearest"}, {"mean": [1, 2]}):
        with pytest.raises(ValueError, match=r"unknown|unpack"):
            Preprocess.from_json({**CENTRE.to_json(), **wrong})
    assert replace(CENTRE, size=64) != CENTRE
