"""Edits of screens and documents: what they do, their geometry, and which pictures suffer them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from copysight.pictures import edits
from copysight.pictures.edits import documents


def page(seed=0, size=(400, 500)):
    """A white page with grey lines of words and a blue box."""
    rng, out = np.random.default_rng(seed), Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(out)
    for top in range(30, size[1] - 30, 20):
        for left in range(30, size[0] - 60, 50):
            draw.rectangle((left, top, left + int(rng.integers(10, 44)), top + 8), fill=(60, 60, 60))
    draw.rectangle((200, 60, 330, 150), fill=(30, 60, 200))
    return out


@pytest.mark.parametrize("name", edits.DOCUMENT)
@pytest.mark.parametrize("size", [(400, 500), (16, 900), (900, 16), (1, 1)])
def test_any_picture_can_be_edited_and_equal_seeds_make_equal_pictures(name, size):
    one, again = (edits.apply(name, page(0, size), np.random.default_rng(3), 0.8) for _ in range(2))
    assert one.mode == "RGB"
    assert one.tobytes() == again.tobytes()


def test_a_scrolled_page_shows_the_rest_of_it_where_the_geometry_says():
    for seed in range(6):
        edited = edits.trace("scroll", page(seed), np.random.default_rng(seed), 0.7)
        step = round(edited.transform[1, 2] * 500)
        assert step != 0
        before, after = np.asarray(page(seed)), np.asarray(edited.picture)
        kept = slice(max(0, step), 500 + min(0, step))
        assert (after[kept] == np.roll(before, step, axis=0)[kept]).all()
        assert (np.delete(after, range(*kept.indices(500)), axis=0) == 255).all()


def test_the_geometry_of_a_rescan_lays_the_page_over_it():
    for seed in range(6):
        edited = edits.trace("rescan", page(seed), np.random.default_rng(seed), 0.7)
        after, source = edited.picture, page(seed)
        back = np.linalg.inv(np.diag([*after.size, 1.0]) @ edited.transform @ np.diag([1 / 400, 1 / 500, 1]))
        data = (back / back[2, 2]).reshape(9)[:8].tolist()
        laid = source.transform(after.size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
        both = [np.asarray(one.convert("L").filter(ImageFilter.GaussianBlur(1)), float) for one in (laid, after)]
        inner = (slice(60, -60), slice(60, -60))
        assert np.corrcoef(both[0][inner].ravel(), both[1][inner].ravel())[0, 1] > 0.9


def test_dark_mode_exchanges_light_and_dark_and_keeps_the_hue():
    dark = np.asarray(edits.apply("dark_mode", page(), np.random.default_rng(0), 0.0)).astype(int)
    ground, letters, box = dark[5, 5], dark[34, 32], dark[100, 260]
    assert ground.max() < 30 < 150 < letters.min()
    assert box.argmax() == 2


def test_redaction_covers_and_highlighting_lets_the_text_through():
    whole = np.asarray(page().convert("L")).astype(int)
    covered, marked = (
        np.asarray(edits.apply(name, page(), np.random.default_rng(2), 0.8).convert("L")).astype(int)
        for name in ("redact", "highlight")
    )
    assert 0.005 < (np.abs(whole - covered) > 60).mean() < 0.3
    assert ((marked < 100) == (whole < 100)).mean() > 0.97
    assert (marked != whole).any()


def test_screens_and_pages_are_drawn_and_photographs_are_not():
    drawn = page()
    assert documents.is_drawn(drawn)
    assert documents.is_drawn(edits.apply("jpeg", drawn, np.random.default_rng(0), 0.3))
    grain = np.random.default_rng(0).normal(0, 4, (300, 400, 3)) + np.linspace(40, 200, 400)[:, None]
    assert not documents.is_drawn(Image.fromarray(grain.astype(np.uint8)))
    assert set(edits.names_for(drawn)) - set(edits.NAMES) == set(edits.DOCUMENT)
    assert not documents.is_drawn(Image.new("RGB", (1, 1)))
