"""Local features: those of a mirror image are derived, hostile pictures stay bounded."""

import time

import numpy as np
import pytest
from PIL import Image

from copysight.matching import features


def test_features_of_the_mirror_image_are_those_of_the_mirrored_picture(textured):
    pixels = features.grey(textured(3, 320))
    derived = features.extract(pixels).mirrored()
    detected = features.extract(np.ascontiguousarray(pixels[:, ::-1]))
    cosine = (derived.descriptors.astype(np.float32) @ detected.descriptors.astype(np.float32).T) / features.SCALE**2
    nearest = cosine.argmax(axis=1)
    assert np.median(cosine.max(axis=1)) > 0.99
    apart = np.abs(derived.points - detected.points[nearest]).max(axis=1)
    assert np.median(apart) < 0.6
    turn = np.abs((derived.angles - detected.angles[nearest] + 180) % 360 - 180)
    assert np.median(turn) < 1


@pytest.mark.parametrize("size", [(8, 8), (1, 900), (900, 1), (30_000, 40), (3, 3)])
def test_any_shape_of_a_picture_can_be_prepared(size):
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    found = features.extract(features.grey(picture))
    assert max(found.width, found.height) <= features.SIDE
    assert min(found.width, found.height) >= min(features.MIN_SIDE, *size)
    assert found.descriptors.shape == (len(found), 128)


@pytest.mark.parametrize("period", [2, 3, 4, 8])
def test_a_million_equal_corners_give_a_bounded_number_of_keypoints_in_bounded_time(period):
    board = (np.indices((4000, 4000)) // period).sum(axis=0) % 2 * 255
    picture = Image.fromarray(board.astype(np.uint8)).convert("RGB")
    began = time.process_time()
    found = features.extract(features.grey(picture))
    assert len(found) <= features.KEYPOINTS
    assert time.process_time() - began < 5


def test_a_picture_without_texture_has_no_features():
    assert len(features.extract(features.grey(Image.new("RGB", (300, 200), "white")))) == 0
