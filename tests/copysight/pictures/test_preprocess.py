"""Preprocessing against the textbook form."""

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
