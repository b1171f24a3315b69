"""The geometry that edits return is that of their pixels, and edits still make the pixels that they always made."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from copysight.pictures import edits
from copysight.pictures.edits import geometry, scenes
from copysight.pictures.edits.edited import Edited
from copysight.pictures.polygon import area, mapped

OLD = np.load(Path(__file__).parent / "old_results.npz")
"""Results of 2026, before edits returned their geometry: name and seed, width and height, 16 x 16 sampled pixels."""
MOVING = (
    "crop", "resize", "aspect", "rotate", "flip", "turn", "pad", "meme", "frame", "screenshot", "perspective", "pasted",
)  # fmt: skip


def smooth(seed, size=(180, 130)):
    """A picture that can be compared after it was resampled twice: no hard edges."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))


def differences(source, edited):
    """Grey levels between an edited picture and its source moved by the transform, inside the outline: (pixels,)."""
    before, after = source.size, edited.picture.size
    pixels = np.diag([*after, 1.0]) @ edited.transform @ np.diag([1 / before[0], 1 / before[1], 1])
    back = np.linalg.inv(pixels)
    data = (back / back[2, 2]).reshape(9)[:8].tolist()
    laid = source.transform(after, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
    mask = Image.new("L", after)
    corners = edited.outline() * after
    inner = corners.mean(axis=0) + (corners - corners.mean(axis=0)) * 0.9  # resampling blurs the border
    ImageDraw.Draw(mask).polygon([tuple(corner) for corner in inner.tolist()], fill=255)
    return np.abs(np.asarray(laid, float) - np.asarray(edited.picture, float))[np.asarray(mask) > 0]


@pytest.mark.parametrize("name", edits.NAMES)
def test_pixels_are_those_of_before(drawn, name):
    for seed in range(2):
        check_old(
            f"{name}-{seed}", edits.apply(name, drawn(11, (180, 130)), np.random.default_rng(seed), 0.7, drawn(12))
        )


@pytest.mark.parametrize("seed", range(6))
def test_pixels_of_chains_are_those_of_before(drawn, seed):
    picture, others = drawn(11, (180, 130)), [drawn(12), drawn(13, (140, 150))]
    check_old(f"mild-{seed}", edits.mild(picture, np.random.default_rng(seed)))
    check_old(f"chain-{seed}", edits.chain(picture, np.random.default_rng(seed), others[0]))
    check_old(f"strong-{seed}", edits.strong(picture, np.random.default_rng(seed), others))


def check_old(name, picture):
    place = OLD["names"].tolist().index(name)
    assert picture.size == tuple(OLD["sizes"][place])
    pixels = np.asarray(picture)
    rows, columns = (((np.arange(16) + 0.5) / 16 * side).astype(int) for side in pixels.shape[:2])
    differs = np.abs(pixels[rows][:, columns].astype(int) - OLD["pixels"][place])
    assert differs.mean() < 0.5, (
        "encoders of other versions may differ a little, other random numbers differ by far more"
    )


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("strength", [0.2, 0.8])
def test_the_transform_lays_the_source_over_the_result(name, strength):
    for seed in range(8):
        source = smooth(seed)
        edited = edits.trace(name, source, np.random.default_rng(seed), strength, smooth(99))
        found = differences(source, edited)
        assert len(found) > 200
        assert found.mean() < 1.5


def test_the_transform_of_any_angle_lays_the_source_over_the_result():
    for seed in range(12):
        source, rng = smooth(seed), np.random.default_rng(seed)
        assert differences(source, geometry.rotate_by(source, rng, float(rng.uniform(0, 360)))).mean() < 1.5


@pytest.mark.parametrize("name", sorted(set(edits.NAMES) - set(MOVING)))
def test_other_edits_move_nothing(name):
    edited = edits.trace(name, smooth(1), np.random.default_rng(0), 0.7, smooth(2))
    assert edited.steps == ()
    assert area(edited.outline()) == 1
    assert edited.picture.size == (180, 130)


def test_chained_edits_have_one_transform():
    names = ("crop", "rotate", "pasted", "perspective", "flip", "turn")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        source = smooth(seed, (300, 260))
        edited = Edited(source)
        for name in rng.choice(names, 3, replace=False):
            edited = edited.then(edits.trace(str(name), edited.picture, rng, 0.4, smooth(98)))
        assert differences(source, edited).mean() < 4, "each step resamples once more"


@pytest.mark.parametrize("seed", range(10))
def test_traced_chains_are_the_chains(drawn, seed):
    picture, others = drawn(1), [drawn(2), drawn(3)]
    traced = edits.trace_strong(picture, np.random.default_rng(seed), others)
    assert traced.picture.tobytes() == edits.strong(picture, np.random.default_rng(seed), others).tobytes()
    for corners in (traced.outline(), traced.outline_in_source()):
        assert corners.min() > -1e-9
        assert corners.max() < 1 + 1e-9
    assert np.allclose(mapped(traced.transform, traced.outline_in_source()), traced.outline())


def test_what_was_cut_off_does_not_come_back_with_a_border():
    source = smooth(1, (200, 100))
    cropped = geometry.cut(source, (50, 0, 150, 100))
    padded = cropped.then(scenes.paste(cropped.picture, np.random.default_rng(0), 0.25, smooth(2)))
    assert area(padded.outline()) == pytest.approx(0.25)
    assert area(padded.outline_in_source()) == pytest.approx(0.5)
    assert padded.outline_in_source().min(axis=0) == pytest.approx([0.25, 0])


def test_a_part_outside_the_frame_is_clipped():
    shifted = Edited(smooth(1), (np.array([[1, 0, 0.75], [0, 1, -0.5], [0, 0, 1.0]]),))
    assert sorted(map(tuple, shifted.outline().tolist())) == [(0.75, 0), (0.75, 0.5), (1, 0), (1, 0.5)]
    gone = Edited(smooth(1), (np.array([[1, 0, 2], [0, 1, 0], [0, 0, 1.0]]),))
    assert gone.outline().shape == gone.outline_in_source().shape == (0, 2)
