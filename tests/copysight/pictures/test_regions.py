"""Pictures within pictures are found where they were pasted; a plain picture has no regions."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copysight.pictures import edits
from copysight.pictures.regions import Region, regions


def overlap(region, box):
    sides = np.minimum(region[2:], box[2:]) - np.maximum(region[:2], box[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(region[2:] - region[:2]) + np.prod(box[2:] - box[:2]) - shared)


def box(region):
    return np.array([region.left, region.top, region.right, region.bottom])


def photograph(seed, size=(160, 120)):
    """A picture with texture and soft transitions, as in photographs."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def page(picture, at, size, dark):
    screen = Image.new("RGB", size, (20, 22, 26) if dark else (244, 245, 247))
    draw = ImageDraw.Draw(screen)
    for y in range(10, size[1] - 10, 23):
        draw.rectangle((14, y, size[0] * 2 // 3, y + 6), fill=(120, 124, 130))
    screen.paste(picture, at)
    return screen


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("at", "size"), [((40, 60), (300, 420)), ((200, 10), (400, 300)), ((0, 90), (280, 330))])
def test_a_picture_on_a_page_is_found(at, size, dark):
    found = regions(page(photograph(1), at, size, dark))
    truth = np.array([at[0], at[1], at[0] + 160, at[1] + 120]) / np.tile(size, 2)
    assert max(overlap(box(one), truth) for one in found) > 0.8


def test_a_picture_on_a_photograph_is_found():
    outer = photograph(3, (400, 300))
    outer.paste(photograph(4).point(lambda level: level // 2), (120, 90))
    truth = np.array([120 / 400, 90 / 300, 280 / 400, 210 / 300])
    assert overlap(box(regions(outer)[0]), truth) > 0.8


def test_a_picture_without_edges_has_no_regions():
    assert regions(Image.new("RGB", (300, 200), (90, 120, 40))) == []
    assert regions(Image.linear_gradient("L").convert("RGB")) == []


def test_a_box_of_one_colour_is_not_a_picture():
    screen = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(screen).rectangle((60, 40, 220, 150), fill=(200, 30, 30))
    assert regions(screen) == []


@pytest.mark.parametrize("size", [(8, 8), (1000, 8), (8, 1000), (2000, 1500)])
def test_regions_are_valid_for_any_picture_size(size):
    for one in regions(photograph(5, size), 3):
        assert 0 <= one.left < one.right <= 1
        assert 0 <= one.top < one.bottom <= 1
        assert min(one.crop(photograph(5, size)).size) >= 1


def test_best_first_at_most_the_limit_and_repeatable():
    picture = edits.apply("screenshot", photograph(6), np.random.default_rng(0), 1.0)
    found = regions(picture, 4)
    assert found == regions(picture, 4)
    assert regions(picture, 1) == found[:1]
    assert [one.support for one in found] == sorted((one.support for one in found), reverse=True)
    assert all(0 < one.support <= 1 for one in found)


def test_crop_cuts_out_the_region():
    picture = photograph(7, (200, 100))
    assert Region(0.25, 0.5, 0.75, 1, 1).crop(picture).tobytes() == picture.crop((50, 50, 150, 100)).tobytes()
