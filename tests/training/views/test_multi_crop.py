"""Sampled parameters against torchvision's distributions, and views against their parameters."""

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop

from copysight.pictures.preprocess import Size, sides
from tests.conftest import drawn_picture
from training.views import multi_crop, resample

CPU = torch.device("cpu")


@pytest.mark.parametrize(("height", "width"), [(100, 150), (300, 40)])
@pytest.mark.parametrize("scale", [(0.05, 0.4), (0.4, 1.0)])
def test_boxes_are_distributed_as_torchvisions(height: int, width: int, scale: tuple[float, float]) -> None:
    torch.manual_seed(0)
    picture = torch.empty(3, height, width)
    draws = [RandomResizedCrop.get_params(picture, list(scale), [3 / 4, 4 / 3]) for _ in range(3000)]
    sizes = np.tile([[height, width]], (1500, 1))
    boxes = multi_crop.random_boxes(sizes, 2, scale, np.random.default_rng(0)).reshape(-1, 4)
    expected = np.array(draws)
    for column in range(4):
        ours, theirs = np.sort(boxes[:, column]), np.sort(expected[:, column])
        # Kolmogorov-Smirnov: 3000 against 3000 draws of one distribution stay below 0.05 in 999 of 1000 cases.
        values = np.unique(np.concatenate([ours, theirs]))
        gap = np.searchsorted(ours, values, "right") - np.searchsorted(theirs, values, "right")
        assert np.abs(gap).max() / 3000 < 0.05
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 0] + boxes[:, 2] <= height).all()
    assert (boxes[:, 1] + boxes[:, 3] <= width).all()


def test_the_central_box_is_used_if_no_box_fits() -> None:
    box = multi_crop.random_boxes(np.array([[10, 400]]), 1, (1.0, 1.0), np.random.default_rng(0))[0, 0]
    assert box.tolist() == [0, 193, 10, 13]


def test_parameters_have_the_probabilities_of_the_recipe() -> None:
    recipe = multi_crop.dino_recipe(local_crops=4)
    sizes = np.tile([[100, 120]], (20000, 1))
    big, small = multi_crop.sample(recipe, sizes, np.random.default_rng(1))
    assert big.boxes.shape == (2, 20000, 4)
    assert small.boxes.shape == (4, 20000, 4)
    share = (big.radius > 0).mean(axis=1)
    assert share[0] == 1
    assert abs(share[1] - 0.1) < 0.01
    assert abs((small.radius > 0).mean() - 0.5) < 0.01
    assert abs(big.solarise[1].mean() - 0.2) < 0.01
    assert not big.solarise[0].any()
    assert not small.solarise.any()
    for group in (big, small):
        assert abs(group.flip.mean() - 0.5) < 0.01
        assert abs(group.grey.mean() - 0.2) < 0.01
        assert abs((group.order >= 0).mean() - 0.8) < 0.01
        assert np.abs(np.bincount(group.order[group.order >= 0]) / (group.order >= 0).sum() - 1 / 24).max() < 0.005
        low, high = group.factors.min(axis=(0, 1)), group.factors.max(axis=(0, 1))
        assert np.allclose(low, [0.6, 0.6, 0.8, -0.1], atol=0.001)
        assert np.allclose(high, [1.4, 1.4, 1.2, 0.1], atol=0.001)
        assert group.radius.max() <= 2


def test_swav_blurs_every_crop_with_the_same_probability() -> None:
    recipe = multi_crop.swav_recipe(local_crops=3)
    assert recipe.views == 5
    parameters = multi_crop.sample(recipe, np.tile([[50, 60]], (8000, 1)), np.random.default_rng(2))
    for group in parameters:
        assert np.abs((group.radius > 0).mean(axis=1) - 0.5).max() < 0.02
        assert not group.solarise.any()


def test_colours_scale_the_jitter_of_the_method() -> None:
    assert multi_crop.dino_recipe(colours=0.5).jitter == (0.2, 0.2, 0.1, 0.05)
    assert multi_crop.swav_recipe(colours=0.0).jitter == (0.0,) * 4
    assert multi_crop.swav_recipe(colours=1.0) == multi_crop.swav_recipe()


@pytest.mark.parametrize("size", [(48, 24), (24, 72)])
def test_boxes_of_rectangles_are_those_of_squares_on_a_stretched_picture(size: tuple[int, int]) -> None:
    """Seen with the ratio of the crop as 1, a rectangle is a square: the same draws give the same boxes."""
    height, width, ratio = 600, 400, size[1] / size[0]
    stretched = np.tile([[height * ratio, width]], (2000, 1)).astype(np.int64)
    squares = multi_crop.random_boxes(stretched, 1, (0.05, 0.4), np.random.default_rng(0))[0]
    plain = np.tile([[height, width]], (2000, 1))
    boxes = multi_crop.random_boxes(plain, 1, (0.05, 0.4), np.random.default_rng(0), ratio)[0]
    assert np.abs(boxes - squares / [ratio, 1, ratio, 1]).max() <= 1 + 1 / ratio
    assert (boxes[:, 0] + boxes[:, 2]).max() <= height
    assert (boxes[:, 1] + boxes[:, 3]).max() <= width


def test_the_central_box_of_a_rectangle_fits_into_any_picture() -> None:
    sizes = np.array([[1, 400], [400, 1], [10, 400], [400, 10]])
    boxes = multi_crop.random_boxes(sizes, 1, (1.0, 1.0), np.random.default_rng(0), 10.0)[0]
    assert (boxes[:, 2:] >= 1).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= sizes).all()
    assert boxes[2].tolist() == [0, 133, 10, 133]


@pytest.mark.parametrize("size", [24, (24, 16), (16, 40)])
def test_views_have_the_pixels_of_their_boxes(size: Size) -> None:
    rows, columns = sides(size)
    picture = drawn_picture(1, (80, 60))
    tensor = torch.from_numpy(np.asarray(picture).copy())
    recipe = multi_crop.plain_recipe(size)
    (parameters,) = multi_crop.sample(recipe, np.array([[60, 80]] * 6), np.random.default_rng(3))
    (view,) = multi_crop.apply(recipe, [tensor] * 6, [parameters], CPU)
    assert view.shape == (6, 3, rows, columns)
    assert parameters.flip.any()
    assert not parameters.flip.all()
    for row, (top, left, height, width) in enumerate(parameters.boxes[0].tolist()):
        expected = np.asarray(picture.crop((left, top, left + width, top + height)).resize((columns, rows), 2)) / 255
        expected = expected[:, ::-1] if parameters.flip[0, row] else expected
        expected = (expected - recipe.mean) / recipe.std
        assert np.abs(view[row].permute(1, 2, 0).numpy() - expected).max() < 0.02


def test_global_crops_come_first_and_rows_are_independent() -> None:
    recipe = multi_crop.dino_recipe(32, 16, 3)
    pictures = [torch.from_numpy(np.asarray(drawn_picture(seed, (70, 50))).copy()) for seed in range(6)]
    parameters = multi_crop.sample(recipe, np.array([[50, 70]] * 6), np.random.default_rng(4))
    views = multi_crop.apply(recipe, pictures, parameters, CPU)
    assert [tuple(view.shape) for view in views] == [(6, 3, 32, 32)] * 2 + [(6, 3, 16, 16)] * 3
    part = multi_crop.apply(recipe, pictures[2:4], [group.rows(2, 4) for group in parameters], CPU)
    for whole, rows in zip(views, part, strict=True):
        assert torch.allclose(whole[2:4], rows, atol=1e-5)


def test_without_local_crops_there_are_two_views() -> None:
    assert multi_crop.dino_recipe(local_crops=0).views == 2


@pytest.mark.parametrize(
    "recipe",
    [multi_crop.dino_recipe(48, 32, 6), multi_crop.swav_recipe(64, 9, 6), multi_crop.dino_recipe((48, 31), (9, 40), 6)],
    ids=["dino", "swav", "rectangles"],
)
def test_crop_by_crop_equals_batched(recipe: multi_crop.Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [torch.from_numpy(np.asarray(drawn_picture(seed, (70, 50))).copy()) for seed in range(20)]
    parameters = multi_crop.sample(recipe, np.array([[50, 70]] * 20), np.random.default_rng(5))
    single = multi_crop.apply(recipe, pictures, parameters, CPU)
    monkeypatch.setattr(multi_crop, "crop_resize", rounded)
    for crops, group in zip(recipe.crops, parameters, strict=True):
        batched = multi_crop._batched(recipe, pictures, sides(crops.size), group, CPU)
        for views in batched.chunk(len(crops.blur)):
            assert torch.allclose(single.pop(0), views, atol=3e-5)
    assert not single


def rounded(
    pictures: list[torch.Tensor],
    boxes: np.ndarray,
    size: tuple[int, int],
    interpolation: str,
    device: torch.device,
    flip: np.ndarray,
) -> torch.Tensor:
    """Resize as the crop-by-crop path does, which on purpose rounds to 8 bits."""
    places = enumerate(zip(boxes.reshape(-1, 4).tolist(), flip.reshape(-1), strict=True))
    crops = [
        np.flip(resample.crop(pictures[row % len(pictures)], box, size, interpolation), [1] if mirrored else [])
        for row, (box, mirrored) in places
    ]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().contiguous() / 255
