"""Plain copies: resized and recompressed pictures are recognised as they are, and nothing else."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from copysight.duplicates import plain
from evaluation.regions import drawn_pages
from tests.conftest import encoded

TEMPLATES = ("invoice", "letter", "table", "login", "questionnaire")


def photograph(seed, size=(640, 480)):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def saved(picture, quality=60):
    with Image.open(BytesIO(encoded(picture, quality=quality))) as opened:
        return opened.convert("RGB")


def evidence(query, reference):
    laid = plain.lay(query, reference)
    return None if laid is None else laid.evidence()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("width", [640, 401, 320, 1280])
def test_a_picture_saved_again_at_another_size_is_a_plain_copy(seed, width):
    original = photograph(seed)
    copy = saved(original.resize((width, round(width * 0.75)), Image.Resampling.LANCZOS))
    found = evidence(copy, original)
    assert found is not None
    assert found.agreement >= 0.98
    assert found.agreeing >= plain.MIN_CELLS * 0.95


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_page_saved_again_is_a_plain_copy_and_another_page_of_the_form_is_none(template):
    pages = [drawn_pages.page(template, number) for number in range(4)]
    for one in pages:
        assert evidence(saved(one), one) is not None
    for one in pages:
        assert all(evidence(one, other) is None for other in pages if other is not one)


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda one: one.crop((80, 60, 640, 480)),
        lambda one: one.rotate(8),
        lambda one: Image.eval(one, lambda value: 255 - value),
        lambda one: one.resize((480, 480)),
    ],
)
def test_an_edited_copy_is_left_to_the_local_features(edit):
    original = photograph(1)
    assert evidence(edit(original), original) is None


def test_colours_do_not_count_but_unrelated_and_empty_pictures_are_no_plain_copies():
    original = photograph(1)
    assert evidence(ImageEnhance.Color(original).enhance(0.2), original) is not None
    assert evidence(photograph(2), original) is None
    white = Image.new("RGB", (640, 480), "white")
    assert evidence(white, white) is None
    assert evidence(Image.new("RGB", (5, 4)), Image.new("RGB", (5, 4))) is None
