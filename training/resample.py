"""Crop and resize a batch of pictures of different sizes, antialiased as in Pillow."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Ints = npt.NDArray[np.int64]


def crop_resize(pictures: Sequence[Tensor], boxes: Ints, size: int, interpolation: str, device: torch.device) -> Tensor:
    """B pictures (height, width, 3) uint8, boxes (V, B, 4) to (V * B, 3, size, size) float32 in 0..1, view-major.

    The filter sees the crop only, as when Pillow crops first and resizes then. On a CPU torch's uint8 kernel does it,
    which rounds to 8 bits as Pillow does.
    """
    views, count = boxes.shape[:2]
    out = torch.empty(views * count, 3, size, size)
    planes = [picture.permute(2, 0, 1)[None] for picture in pictures]
    for row, (top, left, height, width) in enumerate(boxes.reshape(-1, 4).tolist()):
        crop = planes[row % count][..., top : top + height, left : left + width]
        out[row] = F.interpolate(crop, (size, size), mode=interpolation, antialias=True)[0]
    return out.mul_(1 / 255).to(device)
