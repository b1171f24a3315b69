"""Resized pictures: the quick test in brightness never says no where the full one says yes."""

import numpy as np
import pytest
from PIL import Image

from copysight.duplicates import kinds
from copysight.matching import features


@pytest.mark.parametrize("seed", range(200))
def test_what_is_resized_passes_the_quick_test(seed):
    rng = np.random.default_rng(seed)
    one = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize(
        (640, 480), Image.Resampling.BICUBIC
    )
    noise = rng.normal(0, 1, 3) * rng.uniform(0, 9)  # a shift of each colour, near the limit
    other = Image.fromarray((np.asarray(one, np.float32) + noise).clip(0, 255).astype(np.uint8))
    small = other.resize((400, 300), Image.Resampling.LANCZOS)
    if kinds.is_resized(one, small):
        assert kinds.may_be_resized(features.grey(one), features.grey(small))


def test_other_pictures_do_not_pass():
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (32, 40), dtype=np.uint8) for _ in range(2))
    large = [np.kron(each, np.ones((8, 8), np.uint8)) for each in (one, other)]
    assert not kinds.may_be_resized(*large)
    assert kinds.may_be_resized(large[0], large[0])
    assert kinds.may_be_resized(large[0], np.zeros((0, 0), np.uint8))
