"""Colour operations against torchvision on Pillow pictures, within the error of 8-bit rounding."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torchvision.transforms import functional as reference

from tests.conftest import drawn_picture
from training.views import colour

REFERENCES = (
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
)


def smooth(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC)


def tensor(*pictures: Image.Image) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.asarray(p).copy()).permute(2, 0, 1).float() / 255 for p in pictures])


def levels(x: torch.Tensor, picture: Image.Image) -> np.ndarray:
    return np.abs(x.permute(1, 2, 0).numpy() * 255 - np.asarray(picture, np.float32))


@pytest.mark.parametrize(("step", "factors"), [(0, (0.6, 1.4)), (1, (0.6, 1.4)), (2, (0.2, 1.8)), (3, (-0.1, 0.2))])
def test_each_operation_equals_torchvisions(step: int, factors: tuple[float, float]) -> None:
    pictures = [smooth(1), drawn_picture(3, (48, 48))]
    got = colour.OPERATIONS[step](tensor(*pictures), torch.tensor(factors)[:, None, None, None])
    for x, picture, factor in zip(got, pictures, factors, strict=True):
        off = levels(x, REFERENCES[step](picture, factor))
        # Hue and saturation have 256 steps in Pillow: one step of hue is up to 6 levels of a channel.
        assert off.mean() <= (2.5 if step == 3 else 0.8)
        assert off.max() <= (14 if step == 3 else 2.1)


def test_jitter_uses_the_order_of_each_picture() -> None:
    order = np.array([5, -1, 23, 5, 0])
    factors = np.array([[1.3, 0.7, 1.2, 0.05]] * 5)
    pictures = [smooth(seed) for seed in range(5)]
    x = tensor(*pictures)
    before = x.clone()
    colour.jitter(x, order, factors)
    assert torch.equal(x[1], before[1])
    for row in (0, 2, 3, 4):
        expected = before[row : row + 1].clone()
        for step in colour.ORDERS[order[row]]:
            expected = colour.OPERATIONS[step](expected, torch.full((1, 1, 1, 1), factors[row, step]))
        assert torch.allclose(x[row], expected[0], atol=1e-6)
    assert not torch.allclose(x[2], x[3], atol=1e-3)


def test_there_are_24_different_orders() -> None:
    assert len(set(colour.ORDERS)) == 24


def test_luma_equals_pillows_grey() -> None:
    picture = drawn_picture(4, (40, 40))
    grey = colour.luma(tensor(picture))[0, 0].numpy() * 255
    assert np.abs(grey - np.asarray(picture.convert("L"), np.float32)).max() <= 0.51


@pytest.mark.parametrize("radius", [0.1, 0.6, 1.3, 2.0])
def test_blur_is_close_to_pillows(radius: float) -> None:
    pictures = [smooth(7), drawn_picture(5, (48, 48))]
    x = tensor(*pictures)
    colour.blur(x, np.array([radius, radius]))
    for row, picture in zip(x, pictures, strict=True):
        off = levels(row, picture.filter(ImageFilter.GaussianBlur(radius)))
        assert off.mean() <= 0.8  # Pillow rounds after every pass
        assert off.max() <= 3.1


@pytest.mark.parametrize("size", [(5, 5), (11, 11), (40, 40), (7, 30), (30, 7)])
def test_blur_equals_three_box_filters(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    radius = np.array([0.8, 1.9])
    got = x.clone()
    colour.blur(got, radius)
    for row, weights in enumerate(colour.box_windows(radius)):
        expected = x[row].numpy()
        for axis in (1, 2) * 3:
            expected = np.apply_along_axis(one_pass, axis, expected, weights)
        assert np.allclose(got[row].numpy(), expected, atol=1e-12)


def one_pass(line: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.convolve(np.pad(line, len(weights) // 2, mode="edge"), weights, "valid")


def test_three_box_filters_have_the_given_standard_deviation() -> None:
    radius = np.linspace(0.1, 5, 20)
    weights = colour.box_windows(radius)
    offset = np.arange(weights.shape[1]) - weights.shape[1] // 2
    assert np.allclose(weights.sum(axis=1), 1)
    assert np.allclose(3 * (weights * offset**2).sum(axis=1), radius**2, rtol=1e-9)


def test_radius_0_does_not_blur() -> None:
    x = torch.rand(2, 3, 9, 9)
    before = x.clone()
    colour.blur(x, np.array([0.0, 1.0]))
    assert torch.equal(x[0], before[0])
    assert not torch.equal(x[1], before[1])


def test_solarise_equals_pillows() -> None:
    picture = smooth(9)
    x = tensor(picture, picture)
    colour.solarise(x, np.array([1]))
    assert levels(x[0], picture).max() < 1e-3
    assert levels(x[1], ImageOps.solarize(picture, 128)).max() < 1e-3
