"""Verification: the transform and the parts of known edits, what was changed, strangers, pictures without features."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copysight.matching import features
from copysight.matching.geometry import apply
from copysight.matching.verification import Prepared, prepare, preparing, verify, where

SIZE = 400


@pytest.fixture
def picture(textured):
    return textured(5, SIZE)


def overlap(polygon, box):
    """Intersection over union of a polygon (shares) and a box (left, top, right, bottom), by drawing both."""
    masks = []
    for corners in (polygon, [(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])]):
        mask = Image.new("1", (500, 500))
        ImageDraw.Draw(mask).polygon([(500 * x, 500 * y) for x, y in corners], fill=1)
        masks.append(np.asarray(mask))
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def test_a_crop_is_found_in_the_reference(picture):
    box = (0.2, 0.1, 0.8, 0.7)
    crop = picture.crop([round(SIZE * side) for side in box])
    found = verify(prepare(crop), prepare(picture))
    assert overlap(found.reference.polygon, box) > 0.95
    assert overlap(found.query.polygon, (0, 0, 1, 1)) > 0.95
    assert found.reference.share == pytest.approx(0.36, abs=0.02)
    assert not found.mirrored
    assert found.part == "part"


def test_a_picture_on_a_page_is_found_in_the_query(picture):
    page = Image.new("RGB", (1000, 800), "white")
    page.paste(picture.resize((300, 300)), (600, 100))
    found = verify(prepare(page), prepare(picture))
    assert overlap(found.query.polygon, (0.6, 0.125, 0.9, 0.5)) > 0.9
    assert found.reference.share > 0.95


def test_a_mirrored_crop_is_found_with_its_mirroring(picture):
    box = (0.1, 0.2, 0.7, 0.9)
    crop = picture.crop([round(SIZE * side) for side in box]).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = verify(prepare(crop), prepare(picture))
    assert found.mirrored
    assert overlap(found.reference.polygon, box) > 0.95
    # The left side of the box is at the right side of the mirrored crop.
    [[x, y]] = apply(found.transform, np.array([[0.1, 0.2]]))
    assert (x, y) == pytest.approx((1, 0), abs=0.02)


def test_a_turned_picture_is_found(picture):
    found = verify(prepare(picture.rotate(90, expand=True)), prepare(picture))
    assert min(found.query.share, found.reference.share) > 0.95
    assert found.part == "whole"


def test_what_was_covered_is_a_region_of_the_query(picture):
    covered = picture.copy()
    ImageDraw.Draw(covered).rectangle((100, 200, 220, 300), fill="white")
    found = verify(prepare(covered), prepare(picture))
    assert 0.02 < 1 - found.alignment.agreement < 0.4
    assert overlap([(x, y) for x, y in corners(found.changes()[0])], (0.25, 0.5, 0.55, 0.75)) > 0.6


def corners(box):
    left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_what_was_covered_in_a_mirrored_copy_lies_where_the_query_shows_it(picture):
    covered = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    ImageDraw.Draw(covered).rectangle((20, 200, 140, 300), fill="white")
    found = verify(prepare(covered), prepare(picture))
    assert found.mirrored
    assert overlap(corners(found.changes()[0]), (0.05, 0.5, 0.35, 0.75)) > 0.6


def test_unrelated_pictures_are_not_verified(textured):
    strangers = [prepare(textured(seed, SIZE)) for seed in range(12)]
    found = [verify(one, other) for one in strangers for other in strangers if one is not other]
    assert all(one is None or one.agreeing < 8 for one in found)


@pytest.mark.parametrize("kind", ["flat", "gradient"])
def test_a_picture_without_texture_is_not_verified(picture, kind):
    pixels = (
        np.zeros((200, 300, 3), np.uint8) if kind == "flat" else np.repeat(np.arange(300) // 2, 3).reshape(1, 300, 3)
    )
    smooth = Image.fromarray(np.broadcast_to(pixels, (200, 300, 3)).astype(np.uint8))
    assert verify(prepare(smooth), prepare(smooth)) is None
    assert verify(prepare(picture), prepare(smooth)) is None


def test_an_equal_logo_on_two_photographs_is_an_overlay(textured):
    logo = textured(40, 200).resize((90, 60))
    first, second = textured(6, SIZE), textured(7, SIZE)
    for picture in (first, second):
        picture.paste(logo, (20, 330))
    found = verify(prepare(first), prepare(second))
    assert found.part == "overlay"


def test_the_json_of_a_verification_is_plain_and_within_the_pictures(picture):
    found = where(verify(prepare(picture.crop((50, 50, 350, 350))), prepare(picture)))
    assert set(found) == {"query", "match", "transform", "mirrored", "inliers", "changed", "part"}
    for side in ("query", "match"):
        assert 0 < found[side]["share"] <= 1
        assert all(0 <= number <= 1 for corner in found[side]["polygon"] for number in corner)
    assert all(isinstance(number, float) for row in found["transform"] for number in row)


def test_features_whose_picture_is_lost_show_nothing_in_common_and_nothing_changed(picture):
    whole = prepare(picture)
    lost = Prepared(whole.features, lambda: np.zeros((0, 0), np.uint8))

    for query, reference in ((whole, lost), (lost, whole), (lost, lost)):
        found = verify(query, reference)
        assert found is None or (found.alignment.cells == 0 and found.alignment.changes() == [])


def test_pictures_are_prepared_once_with_the_same_results(picture, monkeypatch):
    crop, looked_at = picture.crop((40, 40, 320, 320)), []
    monkeypatch.setattr(
        features, "extract", lambda grey, extract=features.extract: looked_at.append(1) or extract(grey)
    )
    prepared = preparing([crop, picture].__getitem__)
    for _ in range(2):
        assert where(verify(prepared(0), prepared(1))) == where(verify(prepare(crop), prepare(picture)))
    assert len(looked_at) == 2 + 4
