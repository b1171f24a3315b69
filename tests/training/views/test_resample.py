"""Crop and resize against Pillow, pixel by pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from copysight.pictures.preprocess import Size, sides
from tests.conftest import drawn_picture
from training.views.resample import crop, crop_resize

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
CPU = torch.device("cpu")


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [16, 33, 96, (33, 16), (20, 96)])
@pytest.mark.parametrize("way", ["kernel", "matrices"])
def test_crops_equal_pillows(interpolation: str, size: Size, way: str) -> None:
    pictures = [drawn_picture(seed, (90 + 10 * seed, 70)) for seed in range(3)]
    tensors = [torch.from_numpy(np.asarray(picture).copy()) for picture in pictures]
    boxes = np.array(
        [[[0, 0, 70, 90], [10, 20, 30, 40], [5, 0, 61, 17]], [[69, 3, 1, 1], [0, 0, 9, 50], [30, 60, 40, 50]]]
    )
    mirrored = np.array([[False, True, False], [True, False, True]])
    if way == "matrices":
        crops = crop_resize(tensors, boxes, size, interpolation, CPU, mirrored).numpy().transpose(0, 2, 3, 1) * 255
    else:
        places = enumerate(boxes.reshape(-1, 4).tolist())
        crops = np.stack([crop(tensors[row % 3], box, size, interpolation) for row, box in places])
    rows, columns = sides(size)
    assert crops.shape == (6, rows, columns, 3)
    for row, (top, left, height, width) in enumerate(boxes.reshape(-1, 4).tolist()):
        cropped = pictures[row % 3].crop((left, top, left + width, top + height))
        if rows != columns:  # along rows first, as here; Pillow 13 begins with the cheaper pass
            cropped = cropped.resize((columns, height), FILTERS[interpolation])
        expected = np.asarray(cropped.resize((columns, rows), FILTERS[interpolation]), np.float32)
        if way == "matrices" and mirrored.flat[row]:
            expected = expected[:, ::-1]
        assert np.abs(crops[row] - expected).max() <= (1.51 if way == "matrices" else 1.01)
