"""Region similarity J and boundary accuracy F, compared with their definitions."""

import math

import numpy as np
import pytest
from skimage.morphology import dilation, disk

from evaluation.metrics.region import boundary, outline, region


def blob(seed, size=(60, 90)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    cy, cx, r = rng.integers(15, 45), rng.integers(20, 70), rng.integers(5, 20)
    return (y - cy) ** 2 + (x - cx) ** 2 <= r**2


@pytest.mark.parametrize("seed", range(6))
def test_boundary_matches_a_dilation_by_a_disk(seed):
    a, b = blob(seed), blob(seed + 1)
    reach = math.ceil(0.008 * math.hypot(*a.shape))
    mine, theirs = outline(a), outline(b)
    near_theirs, near_mine = (dilation(edge, disk(reach)).astype(bool) for edge in (theirs, mine))
    precision, recall = (mine & near_theirs).sum() / mine.sum(), (theirs & near_mine).sum() / theirs.sum()
    slow = 0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
    assert boundary(a, b) == pytest.approx(slow)


@pytest.mark.parametrize("seed", range(4))
def test_region_is_intersection_over_union(seed):
    a, b = blob(seed), blob(seed + 1)
    pairs = list(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    assert region(a, b) == pytest.approx(sum(x and y for x, y in pairs) / sum(x or y for x, y in pairs))


def test_equal_and_empty_masks():
    full, none = blob(1), np.zeros((60, 90), bool)
    assert region(full, full) == boundary(full, full) == 1
    assert region(none, none) == boundary(none, none) == 1
    assert region(full, none) == boundary(full, none) == 0


def test_outline_is_one_pixel_wide():
    square = np.zeros((6, 6), bool)
    square[2:4, 2:4] = True
    assert np.argwhere(outline(square)).tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 3], [3, 1], [3, 2], [3, 3]]
