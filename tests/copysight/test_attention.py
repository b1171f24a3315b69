"""Masks by mass against a loop, and pictures that change where they should."""

import numpy as np
import pytest
from PIL import Image

from copysight.attention import colours, enlarge, heat, mass_masks, sheet, tint


@pytest.mark.parametrize("mass", [0.1, 0.6, 0.95])
def test_masks_hold_their_mass(mass):
    attention = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    masks = mass_masks(attention, mass)
    for head, mask in zip(attention, masks, strict=True):
        values = sorted(((float(v), i) for i, v in enumerate(head.ravel())), key=lambda pair: pair[0])
        total, running, keep = sum(v for v, _ in values), 0.0, set()
        for value, place in values:
            running += value / total
            if running > 1 - mass:
                keep.add(place)
        assert set(np.flatnonzero(mask)) == keep
        assert head[mask].sum() / head.sum() >= mass - 1e-6


def test_enlarge():
    assert enlarge(np.array([[1, 2]]), 2).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_heat_lights_what_is_looked_at():
    grey = Image.new("RGB", (80, 80), (128, 128, 128))
    attention = np.zeros((4, 4), np.float32)
    attention[0, 0] = 1
    out = np.asarray(heat(grey, attention)).astype(int)
    assert out[10, 10].sum() > out[70, 70].sum() + 100


def test_tint_colours_each_head_and_mixes():
    grey = Image.new("RGB", (40, 40), (128, 128, 128))
    masks = np.zeros((2, 2, 2), bool)
    masks[0, 0, 0] = masks[1, 1, 1] = True
    out = np.asarray(tint(grey, masks))
    assert (out[30, 5] == 128).all()  # no head looks there
    assert (out[5, 5] != out[30, 30]).any()
    assert len(set(colours(6))) == 6


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_sheet_has_every_head(heads):
    attention = np.random.default_rng(1).random((heads, 4, 4)).astype(np.float32)
    out = sheet(Image.new("RGB", (100, 50)), attention, side=60)
    columns = min(heads + 2, 5)
    rows = -(-(heads + 2) // columns)
    assert out.size == (columns * 66 + 6, rows * (30 + 24) + 6)
