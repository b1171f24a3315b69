"""Masks against a slow loop, and drawings of attention maps."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from copysight.model.attention_maps import (
    colours,
    enlarge,
    heatmap,
    mass_masks,
    overlay_heat,
    overlay_masks,
    sheet,
    smooth,
)


@pytest.mark.parametrize(("heads", "rows", "columns"), [(1, 1, 1), (2, 3, 5), (6, 14, 14)])
@pytest.mark.parametrize("mass", [0.05, 0.6, 0.95])
def test_masks_hold_the_share_of_attention(heads: int, rows: int, columns: int, mass: float) -> None:
    attention = np.random.default_rng(rows).dirichlet(np.ones(rows * columns), heads).astype(np.float32)
    masks = mass_masks(attention.reshape(heads, rows, columns), mass)
    for head in range(heads):
        slow, running = np.zeros(rows * columns, bool), 0.0
        for patch in sorted(range(rows * columns), key=lambda number: attention[head, number]):
            running += float(attention[head, patch]) / float(attention[head].astype(np.float64).sum())
            slow[patch] = running > 1 - mass
        assert np.array_equal(masks[head].ravel(), slow)


def test_enlarge_repeats_patches() -> None:
    assert enlarge(np.array([[[1, 2]]]), 2).tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]


def test_colours_differ() -> None:
    assert len(set(colours(12))) == 12


def test_heatmap_is_bright_where_attention_is_high(drawn: Callable[..., Image.Image]) -> None:
    attention = np.zeros((4, 4), np.float32)
    attention[0, 0] = 1
    pixels = np.asarray(heatmap(Image.new("RGB", (64, 64), "white"), attention)).astype(int)
    assert pixels[:12, :12].sum() > 2 * pixels[-12:, -12:].sum()
    assert heatmap(drawn(1), attention).size == drawn(1).size


def test_maps_are_enlarged_without_blocks() -> None:
    """Between the centres of two places the value changes evenly; nearest neighbour would jump by 1 at their edge."""
    found = smooth(np.array([[0, 2], [0, 2]], np.float32), (64, 64))
    assert (found[:, :16].max(), found[:, -16:].min()) == (0, 1)
    assert np.abs(np.diff(found, axis=1)).max() == pytest.approx(1 / 32, abs=1e-3)


def test_a_map_of_zeros_selects_nothing_and_is_dark() -> None:
    empty = np.zeros((1, 3, 3), np.float32)
    assert not mass_masks(empty, 0.6).any()
    assert np.asarray(heatmap(Image.new("RGB", (9, 9), "white"), empty[0])).max() < 80


def test_heat_of_several_maps_has_the_colour_of_the_strongest() -> None:
    maps = np.zeros((3, 2, 2), np.float32)
    maps[0, 0, 0] = maps[1, 1, 1] = 1
    pixels = np.asarray(overlay_heat(Image.new("RGB", (40, 40), "black"), maps)).astype(int)
    for place, colour in ((2, colours(3)[0]), (-3, colours(3)[1])):
        assert pixels[place, place].tolist() == pytest.approx([0.75 * value for value in colour], abs=2)


def test_overlay_colours_the_mask_of_a_head() -> None:
    masks = np.zeros((2, 2, 2), bool)
    masks[0, 0, 0] = True
    pixels = np.asarray(overlay_masks(Image.new("RGB", (8, 8), (100, 100, 100)), masks))
    assert pixels[6, 6].tolist() == [100, 100, 100]
    assert pixels[1, 1, 0] > pixels[1, 1, 1] + 50


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_sheet_has_a_tile_per_head(heads: int, drawn: Callable[..., Image.Image]) -> None:
    attention = np.random.default_rng(0).random((heads, 7, 7)).astype(np.float32)
    side = 60
    made = sheet(drawn(2), attention, side=side)
    columns = min(heads + 2, 5)
    assert made.width == columns * (side + 6) + 6
