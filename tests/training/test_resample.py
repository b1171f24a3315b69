"""Crop and resize against Pillow, pixel by pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import drawn_picture
from training.resample import by_kernel, by_matrices, crop_resize

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
CPU = torch.device("cpu")


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [16, 33, 96])
@pytest.mark.parametrize("way", ["kernel", "matrices"])
def test_crops_are_those_of_pillow(interpolation: str, size: int, way: str) -> None:
    pictures = [drawn_picture(seed, (90 + 10 * seed, 70)) for seed in range(3)]
    tensors = [torch.from_numpy(np.asarray(picture).copy()) for picture in pictures]
    boxes = np.array(
        [[[0, 0, 70, 90], [10, 20, 30, 40], [5, 0, 61, 17]], [[69, 3, 1, 1], [0, 0, 9, 50], [30, 60, 40, 50]]]
    )
    mirrored = np.array([[False, True, False], [True, False, True]])
    crops = by_kernel(tensors, boxes, size, interpolation, mirrored)
    assert torch.equal(crop_resize(tensors, boxes, size, interpolation, CPU, mirrored), crops)
    if way == "matrices":
        crops = by_matrices(tensors, boxes, size, interpolation, CPU, mirrored)
    assert crops.shape == (6, 3, size, size)
    for row, (top, left, height, width) in enumerate(boxes.reshape(-1, 4).tolist()):
        cut = pictures[row % 3].crop((left, top, left + width, top + height))
        expected = np.asarray(cut.resize((size, size), FILTERS[interpolation])).transpose(2, 0, 1)
        if mirrored.flat[row]:
            expected = expected[..., ::-1]
        assert np.abs(crops[row].numpy() * 255 - expected).max() <= (1.01 if way == "kernel" else 1.51)
